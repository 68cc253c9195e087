import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createCertificateAuthority } from '@lateen/pki';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { askSecurely, inlineCertificate, withTls } from '../testing/tls.ts';
import { ok } from '../testing/wire.ts';

// Compared with Envoy 1.40 side by side: all combinations below gave the same bytes.
const ca = createCertificateAuthority();
const own = ca.issueWorkload('spiffe://td/ns/a/sa/me');
const client = ca.issue({
  subject: { commonName: 'a "b", c', organizations: ['x'] },
  subjectAltNames: { uris: ['spiffe://td/ns/a/sa/b'], dnsNames: ['p.test', 'q.test'] },
});
const bare = ca.issue({});
const DETAILS = { subject: true, uri: true, dns: true };
const SAID = 'By=spiffe://td/ns/a/sa/me;Hash=<hash>;Subject="CN=a \\"b\\"\\, c,O=x";URI=spiffe://td/ns/a/sa/b;DNS=p.test;DNS=q.test';
const BARE = 'By=spiffe://td/ns/a/sa/me;Hash=<hash>;Subject="";URI=';
const TOLD = 'By=evil;Hash=1';

const cases: readonly [mode: string, who: 'client' | 'bare' | 'nobody', told: boolean, header: string | undefined][] = [
  ['SANITIZE', 'client', true, undefined],
  ['FORWARD_ONLY', 'client', true, TOLD],
  ['FORWARD_ONLY', 'client', false, undefined],
  ['FORWARD_ONLY', 'nobody', true, undefined],
  ['APPEND_FORWARD', 'client', true, `${TOLD},${SAID}`],
  ['APPEND_FORWARD', 'client', false, SAID],
  ['APPEND_FORWARD', 'bare', false, BARE],
  ['APPEND_FORWARD', 'nobody', true, undefined],
  ['SANITIZE_SET', 'client', true, SAID],
  ['SANITIZE_SET', 'nobody', true, undefined],
  ['ALWAYS_FORWARD_ONLY', 'nobody', true, TOLD],
];

describe('x-forwarded-client-cert', () => {
  for (const [mode, who, told, header] of cases) {
    test(`${mode}, ${who}${told ? ', who says something' : ''}: ${header ?? 'removed'}`, async () => {
      await onStage(async ({ upstream, apply, port }) => {
        const server = await upstream((socket, received) => {
          if (received.includes('\r\n\r\n')) socket.end(ok(''));
        });
        const hcm = { forward_client_cert_details: mode, set_current_client_cert_details: DETAILS };
        const tls = {
          common_tls_context: {
            tls_certificates: [inlineCertificate(own)],
            validation_context: { trusted_ca: { inline_string: ca.rootPem } },
          },
        };
        await apply({ listeners: [withTls(httpListener('in', [routeTo('up')], hcm), tls)], clusters: [cluster('up', [server.port])] });
        const certificate = who === 'client' ? client : who === 'bare' ? bare : undefined;
        const credentials = certificate ? { cert: certificate.chainPem, key: certificate.keyPem } : {};
        await askSecurely(port(), credentials, told ? { 'x-forwarded-client-cert': TOLD } : {});
        const sent = /x-forwarded-client-cert: (.*)\r\n/.exec(server.received[0] ?? '')?.[1];
        assert.equal(sent?.replace(/Hash=[0-9a-f]{64}/, 'Hash=<hash>'), header);
      });
    });
  }
});
