import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { createCertificateAuthority, type IssuedCertificate } from '@lateen/pki';
import { DiscoveryRequestSchema, DiscoveryResponseSchema, SecretSchema } from '@lateen/xds/messages/proxy';
import { runProxy } from '../agent/run-proxy.ts';
import { parseBootstrap } from './bootstrap.ts';
import { SECRET_TYPE_URL } from './live-config.ts';

const ca = createCertificateAuthority();

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lateen-sds-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** As Kubernetes and Istio's agent replace files. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

const DIRECT = `
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: a
          route_config: {name: r, virtual_hosts: [{name: a, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
          http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]`;

/** A proxy with one TLS listener whose certificate comes from `certificate`. */
async function start(t: TestContext, certificate: string, clusters = '[]') {
  const bootstrap = parseBootstrap(
    `
node: {id: test}
static_resources:
  clusters: ${clusters}
  listeners:
  - name: front
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context: ${certificate}
      filters:${DIRECT}
`,
    'test',
  );
  const running = await runProxy({ bootstrap, logger: silentLogger, appendLog: () => {} });
  t.after(() => running.close());
  return { running, port: () => running.proxy.addressOf('front')?.port };
}

/** Name in the certificate that the listener presents. */
async function presented(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const name = socket.getPeerX509Certificate()?.subjectAltName ?? '';
  socket.destroy();
  return name;
}

test('a certificate in files is served, replaced when its files are, and kept when the new ones do not fit', async (t) => {
  const dir = directory(t);
  const write = ({ chainPem, keyPem }: IssuedCertificate) => {
    replace(join(dir, 'cert.pem'), chainPem);
    replace(join(dir, 'key.pem'), keyPem);
  };
  write(ca.issueServer(['one.test']));
  const files = `{certificate_chain: {filename: ${dir}/cert.pem}, private_key: {filename: ${dir}/key.pem}, watched_directory: {path: ${dir}}}`;
  const { port, running } = await start(t, `{tls_certificates: [${files}]}`);
  assert.equal(await presented(port()!), 'DNS:one.test');
  write(ca.issueServer(['two.test']));
  await eventually(async () => assert.equal(await presented(port()!), 'DNS:two.test'));
  replace(join(dir, 'cert.pem'), ca.issueServer(['three.test']).chainPem);
  await eventually(() => assert.ok(running.source.config.secrets.rejections.count > 0));
  assert.equal(await presented(port()!), 'DNS:two.test');
});

test('a configuration whose files cannot be read is refused with their names', async (t) => {
  const files = '{certificate_chain: {filename: /nowhere/cert.pem}, private_key: {filename: /nowhere/key.pem}}';
  await assert.rejects(start(t, `{tls_certificates: [${files}]}`), { code: 'LAT4003', message: /\/nowhere\/cert\.pem/ });
});

test('a file with secrets is read, and again when it is moved into place', async (t) => {
  const dir = directory(t);
  const write = (name: string) => {
    const { chainPem, keyPem } = ca.issueServer([name]);
    const secret = {
      '@type': SECRET_TYPE_URL,
      name: 'own',
      tls_certificate: { certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } },
    };
    replace(join(dir, 'sds.yaml'), JSON.stringify({ resources: [secret] }));
  };
  write('one.test');
  const source = `{path_config_source: {path: ${dir}/sds.yaml, watched_directory: {path: ${dir}}}}`;
  const { port } = await start(t, `{tls_certificate_sds_secret_configs: [{name: own, sds_config: ${source}}]}`);
  await eventually(() => assert.ok(port()));
  assert.equal(await presented(port()!), 'DNS:one.test');
  write('two.test');
  await eventually(async () => assert.equal(await presented(port()!), 'DNS:two.test'));
});

test('secrets come from an SDS server on a Unix socket; the listener waits for the first, a bad one is refused alone', async (t) => {
  const socketPath = join(directory(t), 'sds.sock');
  const server = new Server();
  let stream: ServerDuplexStream<Buffer, Buffer> | undefined;
  const requests: ReturnType<typeof read>[] = [];
  const read = (bytes: Buffer) => fromBinary(DiscoveryRequestSchema, bytes);
  const pass = (bytes: Buffer) => bytes;
  const method = { requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass };
  server.addService(
    {
      StreamSecrets: {
        path: '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
        requestStream: true,
        responseStream: true,
        ...method,
      },
    },
    {
      StreamSecrets(call: ServerDuplexStream<Buffer, Buffer>) {
        stream = call;
        call.on('data', (bytes: Buffer) => requests.push(read(bytes)));
        call.on('error', () => {});
      },
    },
  );
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())),
  );
  t.after(() => server.forceShutdown());
  const send = (version: string, { chainPem, keyPem }: Pick<IssuedCertificate, 'chainPem' | 'keyPem'>) => {
    const inline = (value: string) => ({ specifier: { case: 'inlineString', value } as const });
    const certificate = { certificateChain: inline(chainPem), privateKey: inline(keyPem) };
    const secret = create(SecretSchema, { name: 'default', type: { case: 'tlsCertificate', value: certificate } });
    const response = { typeUrl: SECRET_TYPE_URL, versionInfo: version, nonce: version, resources: [anyPack(SecretSchema, secret)] };
    stream?.write(Buffer.from(toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, response))));
  };
  const source =
    '{api_config_source: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: sds-grpc}}]}, initial_fetch_timeout: 0s}';
  const cluster = `[{name: sds-grpc, type: STATIC, connect_timeout: 1s, typed_extension_protocol_options: {}, load_assignment: {cluster_name: sds-grpc, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: ${socketPath}}}}}]}]}}]`;
  const { port, running } = await start(t, `{tls_certificate_sds_secret_configs: [{name: default, sds_config: ${source}}]}`, cluster);
  await eventually(() => assert.deepEqual(requests[0]?.resourceNames, ['default']));
  assert.equal(port(), undefined, 'nothing listens before the certificate is here');
  assert.equal(running.source.config.entries('listener')[0]?.state, 'warming');
  const first = ca.issueServer(['one.test']);
  send('1', first);
  await eventually(() => assert.ok(port()));
  assert.equal(await presented(port()!), 'DNS:one.test');
  await eventually(() => assert.equal(requests.at(-1)?.versionInfo, '1'));
  const listenerBefore = running.proxy.listeners()[0];
  send('2', ca.issueServer(['two.test']));
  await eventually(async () => assert.equal(await presented(port()!), 'DNS:two.test'));
  assert.equal(running.proxy.listeners()[0], listenerBefore, 'no listener is replaced for a certificate');
  send('3', { chainPem: first.chainPem, keyPem: ca.issueServer(['x.test']).keyPem });
  await eventually(() => assert.match(requests.at(-1)?.errorDetail?.message ?? '', /"default": private_key does not belong/));
  assert.equal(await presented(port()!), 'DNS:two.test');
});
