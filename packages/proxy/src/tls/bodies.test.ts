import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { createCertificateAuthority } from '@lateen/pki';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { inlineCertificate, upstreamTls, withTls } from '../testing/tls.ts';

const ca = createCertificateAuthority();
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const BODY = randomBytes(8 * 1024 * 1024);

test('large bodies pass whole through TLS on both legs, in both directions at once, also to a slow reader', async () => {
  const { chainPem, keyPem } = ca.issueServer(['up.test']);
  const server = createServer({ cert: chainPem, key: keyPem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('x-received', sha256(Buffer.concat(chunks)));
      response.setHeader('content-length', BODY.length);
      response.end(BODY);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: upstreamPort } = server.address() as AddressInfo;
  try {
    await onStage(async ({ apply, port }) => {
      const transport_socket = upstreamTls({
        sni: 'up.test',
        common_tls_context: { validation_context: { trusted_ca: { inline_string: ca.rootPem } } },
      });
      const tls = { common_tls_context: { tls_certificates: [inlineCertificate(ca.issueServer(['a.test']))] } };
      await apply({
        listeners: [withTls(httpListener('in', [routeTo('up', { timeout: '60s' })]), tls)],
        clusters: [cluster('up', [upstreamPort], { transport_socket })],
      });
      const ask = async (isSlow: boolean) => {
        const socket = connect({ host: '127.0.0.1', port: port(), rejectUnauthorized: false });
        const chunks: Buffer[] = [];
        socket.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          if (!isSlow || chunks.length % 16 !== 0) return;
          socket.pause();
          setTimeout(() => socket.resume(), 2);
        });
        socket.write(`POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: ${BODY.length}\r\n\r\n`);
        socket.write(BODY);
        await once(socket, 'close');
        const all = Buffer.concat(chunks);
        const end = all.indexOf('\r\n\r\n');
        const head = all.subarray(0, end).toString('latin1');
        assert.match(head, new RegExp(`x-received: ${sha256(BODY)}`));
        assert.equal(sha256(all.subarray(end + 4)), sha256(BODY));
      };
      await Promise.all([ask(false), ask(true), ask(false), ask(true)]);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
