// TCP and the edge of listeners, through Lateen and, where it is installed, through real Envoy: what clients see and what the logs say.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { ENGINES, endWithTest, loopback, staticCluster } from './two-engines.ts';

const FORMAT =
  '%ACCESS_LOG_TYPE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% in=%BYTES_RECEIVED% out=%BYTES_SENT% %UPSTREAM_CLUSTER% ' +
  'attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%\n';

const typed = (type: string, fields: object = {}) => ({
  name: type,
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...fields },
});
const tcpProxy = (fields: object) => typed('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: 'tcp', ...fields });
const answer = (text: string) => typed('filters.network.direct_response.v3.Config', { response: { inline_string: text } });
const inspector = (type: string) => typed(`filters.listener.${type}`);

/** What a client does, one step after the other. */
type Step = string | { until: string } | 'END' | 'RESET';
type Row = {
  readonly name: string;
  readonly listener: object;
  readonly steps: readonly Step[];
  /** What the client got, and how the connection ended. */
  readonly seen: string;
  /** Of the TCP proxy and of the listener. */
  readonly log: readonly string[];
};

const chains = (...protocols: string[]) => ({
  filter_chains: protocols.map((protocol) => ({ filter_chain_match: { application_protocols: [protocol] }, filters: [answer(protocol)] })),
  default_filter_chain: { filters: [answer('other')] },
});
const proxied = (cluster: string, fields: object = {}, listener: object = {}) => ({
  filter_chains: [{ filters: [tcpProxy({ cluster, ...fields })] }],
  ...listener,
});
const twice = (rest: string): string[] => [`TcpConnectionEnd ${rest}`, `NotSet ${rest}`];
const HERE = '127.0.0.1';

const ROWS: readonly Row[] = [
  {
    name: 'both sides close in turn',
    listener: proxied('echo'),
    steps: ['hello', { until: 'hello' }, 'END'],
    seen: 'hello END',
    log: twice(`- - in=5 out=5 echo attempts=1 - ${HERE}`),
  },
  {
    name: 'an upstream that breaks off',
    listener: proxied('breaking'),
    steps: ['hello'],
    seen: ' RESET',
    log: twice(`UR - in=5 out=0 breaking attempts=1 - ${HERE}`),
  },
  {
    name: 'an upstream that is not there, asked three times',
    listener: proxied('absent', { max_connect_attempts: 3 }),
    steps: [],
    seen: ' END',
    log: twice(`UF,URX - in=0 out=0 absent attempts=3 delayed_connect_error:_Connection_refused ${HERE}`),
  },
  {
    name: 'a cluster that does not exist',
    listener: proxied('none'),
    steps: [],
    seen: ' END',
    log: twice(`NC - in=0 out=0 - attempts=0 - ${HERE}`),
  },
  {
    name: 'a connection that says nothing',
    listener: proxied('echo', { idle_timeout: '0.2s' }),
    steps: [],
    seen: ' END',
    log: twice(`- - in=0 out=0 echo attempts=1 - ${HERE}`),
  },
  {
    name: 'a connection that lived too long',
    listener: proxied('echo', { max_downstream_connection_duration: '0.2s' }),
    steps: ['hello', { until: 'hello' }],
    seen: 'hello END',
    log: twice(`DT - in=5 out=5 echo attempts=1 - ${HERE}`),
  },
  {
    name: 'a log line at the connect',
    listener: proxied('echo', { access_log_options: { flush_access_log_on_connected: true } }),
    steps: ['hello', { until: 'hello' }, 'END'],
    seen: 'hello END',
    log: [`TcpUpstreamConnected - - in=0 out=0 echo attempts=1 - ${HERE}`, ...twice(`- - in=5 out=5 echo attempts=1 - ${HERE}`)],
  },
  {
    name: 'a PROXY header names the client, the socket stays known',
    listener: proxied('echo', {}, { listener_filters: [inspector('proxy_protocol.v3.ProxyProtocol')] }),
    steps: ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello', { until: 'hello' }, 'END'],
    seen: 'hello END',
    log: twice(`- - in=5 out=5 echo attempts=1 - ${HERE}`),
  },
  {
    name: 'no PROXY header where there must be one',
    listener: proxied('echo', {}, { listener_filters: [inspector('proxy_protocol.v3.ProxyProtocol')] }),
    steps: ['BOGUS\r\n'],
    seen: ' RESET',
    log: [`NotSet - - in=0 out=0 - attempts=0 - ${HERE}`],
  },
  {
    name: 'a method that nobody knows is HTTP',
    listener: { listener_filters: [inspector('http_inspector.v3.HttpInspector')], ...chains('http/1.1', 'http/1.0') },
    steps: ['FOO / HTTP/1.1\r\n'],
    seen: 'http/1.1 END',
    log: [`NotSet - direct_response in=* out=8 - attempts=0 - ${HERE}`],
  },
  {
    name: 'no chain',
    listener: { filter_chains: [{ filter_chain_match: { server_names: ['a.test'] }, filters: [answer('a')] }] },
    steps: [],
    seen: ' END',
    log: [`NotSet NR filter_chain_not_found in=0 out=0 - attempts=0 - ${HERE}`],
  },
];

async function drive(port: number, steps: readonly Step[]): Promise<string> {
  const socket = connect({ host: HERE, port, allowHalfOpen: true, noDelay: true });
  let text = '';
  let end = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  socket.on('end', () => {
    end ||= 'END';
  });
  socket.on('error', () => {
    end = 'RESET';
  });
  await once(socket, 'connect');
  for (const step of steps) {
    if (step === 'END') socket.end();
    else if (step === 'RESET') socket.resetAndDestroy();
    else if (typeof step === 'string') socket.write(step, 'latin1');
    else await eventually(() => assert.ok(text.includes(step.until) || end !== ''));
  }
  await eventually(() => assert.notEqual(end, ''), { timeoutMs: 5000 });
  socket.destroy();
  return `${text} ${end}`;
}

async function startUpstream(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => serve(socket.on('error', () => {})));
  server.listen(0, HERE);
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const logTo = (path: string) => [
  typed('access_loggers.file.v3.FileAccessLog', { path, log_format: { text_format_source: { inline_string: FORMAT } } }),
];

/** The listener with the same log for itself and for its TCP proxy. */
function logged(listener: object, path: string): object {
  const log = JSON.stringify(logTo(path));
  const text = JSON.stringify(listener).replaceAll('"stat_prefix":"tcp"', `"stat_prefix":"tcp","access_log":${log}`);
  return { ...(JSON.parse(text) as object), access_log: logTo(path) };
}

describe('TCP proxies and what comes before filter chains', () => {
  for (const engine of ENGINES) {
    test(engine.name, { skip: engine.skip }, async (t) => {
      const echo = await startUpstream(t, (socket) => void socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end()));
      const breaking = await startUpstream(t, (socket) => void socket.on('data', () => socket.resetAndDestroy()));
      const clusters = [staticCluster('echo', echo), staticCluster('breaking', breaking), staticCluster('absent', await freePort())];
      const ports = await Promise.all([...ROWS, {}].map(() => freePort()));
      const adminPort = ports.at(-1) as number;
      const folder = mkdtempSync(join(tmpdir(), 'tcp-edge-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const logPath = (i: number) => join(folder, `${i}.log`);
      const listeners = ROWS.map(({ name, listener }, i) => ({
        name,
        ...loopback(ports[i] as number),
        ...logged(listener, logPath(i)),
      }));
      const bootstrap = { node: { id: 'x', cluster: 'x' }, admin: loopback(adminPort), static_resources: { listeners, clusters } };
      writeFileSync(join(folder, 'bootstrap.json'), JSON.stringify(bootstrap));
      const child = engine.start(join(folder, 'bootstrap.json'));
      endWithTest(t, child);
      await eventually(async () => assert.ok((await fetch(`http://${HERE}:${adminPort}/ready`, { headers: { connection: 'close' } })).ok), {
        timeoutMs: 20_000,
      });
      const seen = await Promise.all(ROWS.map(({ steps }, i) => drive(ports[i] as number, steps)));
      assert.deepEqual(
        seen,
        ROWS.map((row) => row.seen),
      );
      // Envoy writes its logs every ten seconds, and at its end.
      child.kill('SIGTERM');
      await once(child, 'exit');
      for (const [i, row] of ROWS.entries()) {
        // The two loggers of Envoy write in no particular order; bytes that nobody asked for may have been read or not.
        const lines = readFileSync(logPath(i), 'utf8')
          .trim()
          .replace(/direct_response in=\d+/, 'direct_response in=*')
          .split('\n');
        assert.deepEqual(lines.sort(), row.log.toSorted(), row.name);
      }
    });
  }
});
