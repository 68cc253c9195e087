import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultMeshConfig } from './defaults.ts';
import { parseMeshConfig, parseProxyConfig } from './parse.ts';

test('nothing given means Istio’s defaults', () => {
  for (const input of [undefined, null, '', {}]) {
    const { config, findings } = parseMeshConfig(input);
    assert.deepEqual(findings, []);
    assert.deepEqual(config, defaultMeshConfig());
  }
});

test('given values replace, nested settings merge, providers are joined by name', () => {
  const { config, findings } = parseMeshConfig(`
accessLogFile: /dev/stdout
trustDomainAliases: [old.local]
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
defaultConfig:
  proxyMetadata: {A: "1"}
  terminationDrainDuration: 10s
extensionProviders:
- name: envoy
  envoyFileAccessLog: {path: /tmp/log}
- name: authz
  envoyExtAuthzGrpc: {service: authz.foo.svc.cluster.local, port: 9000}
`);
  assert.deepEqual(findings, []);
  assert.equal(config.accessLogFile, '/dev/stdout');
  assert.equal(config.outboundTrafficPolicy.mode, 'REGISTRY_ONLY');
  assert.equal(config.defaultConfig.statusPort, 15020);
  assert.equal(config.defaultConfig.terminationDrainDuration, '10s');
  assert.deepEqual(
    config.extensionProviders.map((provider) => provider.name),
    ['prometheus', 'stackdriver', 'envoy', 'authz'],
  );
});

const WRONG: [string, string, RegExp][] = [
  ['not YAML', 'a: [', /not valid YAML/],
  ['a list', '- a', /must be an object/],
  ['a misspelt field', 'accesLogFile: x', /unknown field "accesLogFile"/],
  ['a wrong type', 'enableAutoMtls: "yes"', /must be of type boolean/],
  ['a port out of range', 'proxyListenPort: 70000', /port number 70000/],
  ['a trust domain', 'trustDomain: a_b', /trust domain name/],
  ['a timeout over an hour', 'connectTimeout: 2h', /at most 1h/],
  ['a switch of a header', 'defaultConfig: {proxyHeaders: {requestId: {disabled: 1}}}', /must be of type boolean/],
  ['a provider of no type', 'extensionProviders: [{name: x}]', /has no type/],
];
for (const [name, yaml, message] of WRONG) {
  test(`MeshConfig: ${name} is reported`, () => {
    const { findings } = parseMeshConfig(yaml);
    assert.ok(
      findings.some((finding) => message.test(finding.message)),
      JSON.stringify(findings),
    );
  });
}

test('a proxy annotation lies over the mesh’s settings', () => {
  const { config, findings } = parseProxyConfig('holdApplicationUntilProxyStarts: true\nconcurrency: 1', defaultMeshConfig().defaultConfig);
  assert.deepEqual(findings, []);
  assert.equal(config.holdApplicationUntilProxyStarts, true);
  assert.equal(config.drainDuration, '45s');
});

test('proxyHeaders are as Istio’s API spells them', () => {
  const proxyHeaders = {
    forwardedClientCert: 'ALWAYS_FORWARD_ONLY',
    setCurrentClientCertDetails: { subject: false, cert: true, chain: true, dns: false, uri: false },
    requestId: { disabled: true },
    server: { disabled: false, value: 'shop' },
    attemptCount: { disabled: true },
    envoyDebugHeaders: { disabled: true },
    metadataExchangeHeaders: { mode: 'IN_MESH' },
    preserveHttp1HeaderCase: true,
    xForwardedHost: { enabled: true },
    xForwardedPort: { enabled: true },
  };
  const { config, findings } = parseMeshConfig({ defaultConfig: { proxyHeaders } });
  assert.deepEqual(findings, []);
  assert.deepEqual(config.defaultConfig.proxyHeaders, proxyHeaders);
});
