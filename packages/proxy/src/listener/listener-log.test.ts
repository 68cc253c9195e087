// The access log of a listener: a line for each connection, served or not. The words are those of Envoy 1.40.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { silentObserver } from '../http/observer.ts';
import { compileFormat } from '../observe/format.ts';
import { parseFormat } from '../runtime/index.ts';
import { any, httpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { askSecurely, inlineCertificate, withTls } from '../testing/tls.ts';
import { openWire } from '../testing/wire.ts';
import type { ActiveListener } from './active-listener.ts';

const FORMAT = parseFormat(
  '%RESPONSE_FLAGS%|%RESPONSE_CODE_DETAILS%|%DOWNSTREAM_TRANSPORT_FAILURE_REASON%|%REQUESTED_SERVER_NAME%|%BYTES_RECEIVED%',
);
assert.ok(FORMAT.ok);
const lineOf = compileFormat(FORMAT.value);
const OK = [{ match: { prefix: '/' }, direct_response: { status: 200 } }];

test('each connection has a line in its log: served, refused by TLS, taken by no chain', async () => {
  const lines: string[] = [];
  const observer = { ...silentObserver, listener: () => (record: Parameters<typeof lineOf>[0]) => void lines.push(lineOf(record)) };
  const certificate = inlineCertificate(createCertificateAuthority().issueServer(['a.test']));
  const tls = withTls(httpListener('in', OK), { common_tls_context: { tls_certificates: [certificate] } });
  const [chain] = tls['filter_chains'] as [JsonObject];
  const listener = {
    ...tls,
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'),
      },
    ],
    filter_chains: [{ ...chain, filter_chain_match: { transport_protocol: 'tls', server_names: ['a.test'] } }],
  };
  await onStage(
    async ({ apply, port }) => {
      await apply({ listeners: [listener] });
      assert.match((await askSecurely(port(), { servername: 'a.test' })).text, /^HTTP\/1\.1 200/);
      await eventually(() => lines.length === 1);
      await askSecurely(port(), { servername: 'c.test' });
      const wire = await openWire(port());
      wire.send('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
      await wire.closed();
      await askSecurely(port(), { servername: 'a.test', minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' });
      await eventually(() => lines.length === 4);
      assert.deepEqual(lines.slice(0, 3), ['-|-|-|a.test|46', 'NR|filter_chain_not_found|-|c.test|0', 'NR|filter_chain_not_found|-|-|0']);
      assert.match(
        lines[3] as string,
        /^-\|-\|TLS_error:\|268435696:SSL_routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL:TLS_error_end\|a\.test\|0$/,
      );
    },
    { observer },
  );
});

test('what ends before a chain was looked for has a line too, and is counted once', async () => {
  const lines: string[] = [];
  const observer = { ...silentObserver, listener: () => (record: Parameters<typeof lineOf>[0]) => void lines.push(lineOf(record)) };
  const filter = (name: string) => ({ name, typed_config: any(`envoy.extensions.filters.listener.${name}`) });
  const listener = {
    ...httpListener('in', OK),
    listener_filters: [filter('proxy_protocol.v3.ProxyProtocol'), filter('tls_inspector.v3.TlsInspector')],
    listener_filters_timeout: '0.1s',
  };
  await onStage(
    async ({ apply, port, proxy }) => {
      await apply({ listeners: [listener] });
      for (const sent of ['BOGUS\r\n', 'PROXY TCP4', '']) {
        const wire = await openWire(port());
        if (sent === '') wire.socket.end();
        else wire.send(sent);
        await wire.closed();
      }
      await eventually(() => lines.length === 3);
      assert.deepEqual(lines, Array(3).fill('-|-|-|-|0'));
      const { stats } = proxy.listeners()[0] as ActiveListener;
      assert.deepEqual(
        [stats.downstream_pre_cx_active, stats.downstream_pre_cx_timeout, stats.downstream_listener_filter_remote_close],
        [0, 1, 1],
      );
      assert.deepEqual([stats.downstream_cx_total, stats.downstream_cx_active, stats.downstream_cx_destroy], [0, 0, 0]);
    },
    { observer },
  );
});
