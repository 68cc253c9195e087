import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { suite, test } from 'node:test';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { eventually } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { ignoring } from '../io/connection.ts';
import type { TlsFacts } from '../io/tls-facts.ts';
import { listen, testConnection, type WithPair } from '../testing/connection-contract.ts';
import type { TlsConnection } from './tls-connection.ts';
import { tlsHandlesAreUsable } from './tls-handle.ts';
import { TlsHandleConnection } from './tls-handle-connection.ts';
import { TlsStreamConnection } from './tls-stream-connection.ts';

const KINDS = { stream: TlsStreamConnection, handle: TlsHandleConnection };
const { chainPem, keyPem } = createCertificateAuthority().issueServer(['a.test']);
const secureContext = createSecureContext({ cert: chainPem, key: keyPem });
const facts = {} as TlsFacts;

/** A session of ours, the peer's, and the peer's bare socket below. */
const pairsOf =
  (Kind: (typeof KINDS)['handle' | 'stream']): WithPair<TlsConnection> =>
  async (use) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const secured = new Promise<TlsConnection>((resolve) =>
      server.once('connection', (raw) => {
        const ours = new Kind(raw, ignoring);
        const session = new TLSSocket(raw, { isServer: true, secureContext });
        ours.wrap(session);
        session.once('secure', () => {
          ours.begin(facts);
          resolve(ours);
        });
      }),
    );
    const wire = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    wire.on('error', () => {});
    await once(wire, 'connect');
    const peer = connect({ socket: wire, rejectUnauthorized: false });
    peer.on('error', () => {});
    const ours = await secured;
    try {
      await use({ ours, peer, wire });
    } finally {
      peer.destroy();
      wire.destroy();
      ours.destroy();
      server.close();
    }
  };

test('the self-test lets handles of sessions be used on this Node', async () => {
  await eventually(() => assert.equal(tlsHandlesAreUsable(), process.env.LATEEN_IO !== 'socket'), { intervalMs: 5 });
});

for (const [kind, Kind] of Object.entries(KINDS)) {
  suite(`a TLS connection over a ${kind}`, () => {
    const withPair = pairsOf(Kind);
    testConnection(withPair);

    test('bytes that are no record end it', () =>
      withPair(async ({ ours, wire }) => {
        const codes: (string | undefined)[] = [];
        listen(ours, { onClose: (code) => codes.push(code) });
        // The session over it keeps the handle, so the write goes around the session.
        const handle = (wire as unknown as { _handle: { writeLatin1String(request: object, text: string): number } })._handle;
        const { WriteWrap } = (process as unknown as { binding(name: string): { WriteWrap: new () => object } }).binding('stream_wrap');
        handle.writeLatin1String(new WriteWrap(), 'x'.repeat(100));
        await eventually(() => assert.equal(codes.length, 1));
        assert.match(codes[0] ?? '', /^ERR_SSL_/);
      }));
  });
}
