// Plan A8: PROXY protocol headers, good and malformed. What is malformed ends the connection and reaches nobody; an address is never
// believed from where none is asked for. Envoy on the same configuration is the second column where it is installed.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { freePort } from '@lateen/base/testing';
import { noEnvoy } from '../../support/envoy.ts';
import { DELIVERIES, openRaw, piecesOf } from '../../support/raw-client.ts';
import { clusterOf, listenerOf } from '../support/configuration.ts';
import { startEnvoyTarget } from '../support/envoy-target.ts';
import { startTarget } from '../support/target.ts';
import { type Recorder, startRecorder } from './recorder.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const INET = '\x0a\x01\x02\x03\x7f\x00\x00\x01\x30\x39\x00\x50';
const INET6 = `${'\x20\x01\x0d\xb8'}${'\0'.repeat(11)}\x01${'\0'.repeat(15)}\x01\x30\x39\x00\x50`;

/** A header of version 2; `length` may lie. */
function v2(command: number, family: number, body: string, length = body.length): string {
  return `${SIGNATURE}${String.fromCharCode(command, family, length >> 8, length & 255)}${body}`;
}

/** `client`: x-forwarded-for that the upstream sees; "peer": the address of the socket. `closed`: refused without a word. */
type Row = {
  name: string;
  header: string;
  expects: string | 'peer' | 'closed' | 400;
  listener?: 'plain' | 'optional';
  notEnvoy?: string;
};
const good = (name: string, header: string, client: string): Row => ({ name, header, expects: client });
const bad = (name: string, header: string): Row => ({ name, header, expects: 'closed' });

const ROWS: readonly Row[] = [
  good('version 1, TCP4', 'PROXY TCP4 10.1.2.3 127.0.0.1 12345 80\r\n', '10.1.2.3'),
  good('version 1, TCP6', 'PROXY TCP6 2001:db8::1 ::1 12345 80\r\n', '2001:db8::1'),
  good('version 1, UNKNOWN', 'PROXY UNKNOWN\r\n', 'peer'),
  good('version 2, IPv4', v2(0x21, 0x11, INET), '10.1.2.3'),
  good('version 2, IPv6', v2(0x21, 0x21, INET6), '2001:db8::1'),
  good('version 2, LOCAL', v2(0x20, 0x00, ''), 'peer'),
  good('version 2 with a TLV', v2(0x21, 0x11, `${INET}\x04\x00\x02ab`), '10.1.2.3'),
  { name: 'no header where one may be', header: '', expects: 'peer', listener: 'optional' },
  { name: 'a header where none is expected', header: 'PROXY TCP4 10.1.2.3 127.0.0.1 12345 80\r\n', expects: 400, listener: 'plain' },
  bad('no header where one must be', ''),
  bad('version 1 without an end', `PROXY TCP4 10.1.2.3 ${'1'.repeat(200)}\r\n`),
  bad('version 1, an address that is none', 'PROXY TCP4 10.1.2.300 127.0.0.1 12345 80\r\n'),
  bad('version 1, a port beyond 65535', 'PROXY TCP4 10.1.2.3 127.0.0.1 65536 80\r\n'),
  bad('version 1, a port below zero', 'PROXY TCP4 10.1.2.3 127.0.0.1 -1 80\r\n'),
  bad('version 1, no ports', 'PROXY TCP4 10.1.2.3 127.0.0.1\r\n'),
  bad('version 1, IPv6 addresses as TCP4', 'PROXY TCP4 2001:db8::1 ::1 12345 80\r\n'),
  bad('version 1 in small letters', 'proxy TCP4 10.1.2.3 127.0.0.1 12345 80\r\n'),
  bad('version 1, a protocol nobody knows', 'PROXY UDP4 10.1.2.3 127.0.0.1 12345 80\r\n'),
  { ...bad('version 1, NUL in an address', 'PROXY TCP4 10.1.2.3\0 127.0.0.1 12345 80\r\n'), notEnvoy: 'reads to the NUL' },
  bad('version 2, another version', v2(0x31, 0x11, INET)),
  bad('version 2, a command nobody knows', v2(0x22, 0x11, INET)),
  bad('version 2, too short for its family', v2(0x21, 0x11, INET.slice(0, 8))),
  bad('version 2, a TLV longer than the header', v2(0x21, 0x11, `${INET}\x04\xff\xffab`)),
  bad('version 2, a wrong signature', v2(0x21, 0x11, INET).replace('QUIT', 'QUIZ')),
];

const LISTENERS = { required: false, optional: true, plain: undefined } as const;

const listenerOfKind = (name: keyof typeof LISTENERS, port: number) => {
  const optional = LISTENERS[name];
  if (optional === undefined) return listenerOf({ name, port, profile: 'gateway' });
  const filter = {
    name: 'envoy.filters.listener.proxy_protocol',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
      allow_requests_without_proxy_protocol: optional,
    },
  };
  return listenerOf({ name, port, profile: 'gateway', listener: { listener_filters: [filter], listener_filters_timeout: '1s' } });
};

for (const engine of ['Lateen', 'Envoy']) {
  suite(`PROXY protocol, ${engine}`, { skip: engine === 'Envoy' ? (noEnvoy ?? false) : false }, () => {
    let recorder: Recorder;
    let target: { close(): Promise<void> };
    const ports = new Map<string, number>();
    before(async () => {
      recorder = await startRecorder();
      for (const name of Object.keys(LISTENERS)) ports.set(name, await freePort());
      const listeners = [...ports].map(([name, port]) => listenerOfKind(name as keyof typeof LISTENERS, port));
      const clusters = [clusterOf('up', recorder.port)];
      target =
        engine === 'Envoy' ? await startEnvoyTarget(listeners, clusters, ports.get('plain')!) : await startTarget(listeners, clusters);
    });
    after(async () => {
      await target?.close();
      await recorder?.close();
    });
    for (const row of ROWS) {
      if (engine === 'Envoy' && row.notEnvoy) continue;
      test(row.name, async () => {
        for (const delivery of DELIVERIES.slice(0, 2)) {
          assert.equal(
            await play(row, piecesOf(row.header + REQUEST, delivery), ports.get(row.listener ?? 'required')!, recorder),
            row.expects,
            delivery,
          );
        }
      });
    }
  });
}

test('the table has the count of the plan', () => assert.equal(ROWS.length, 24));

const CLAIMED = new Set(['10.1.2.3', '2001:db8::1']);
const REQUEST = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n';

async function play(_row: Row, pieces: readonly string[], port: number, recorder: Recorder): Promise<Row['expects'] | string> {
  recorder.mark();
  const client = await openRaw(port);
  try {
    await client.send(pieces);
    const answer = await client.expectFinal().catch(() => undefined);
    const { requests, bytes } = recorder.since();
    if (!answer) {
      assert.equal(bytes, 0);
      assert.ok(client.isClosed(), 'the connection stays open');
      return 'closed';
    }
    if (answer.status !== 200) {
      assert.equal(bytes, 0);
      return answer.status as 400;
    }
    const seen = requests[0]!.headers.find(([name]) => name === 'x-forwarded-for')?.[1] ?? '';
    return CLAIMED.has(seen) ? seen : 'peer';
  } finally {
    client.close();
  }
}
