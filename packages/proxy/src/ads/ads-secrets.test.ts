// Secrets that the control plane sends over ADS itself, without an SDS server of their own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescMessage, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { createCertificateAuthority } from '@lateen/pki';
import { ListenerSchema, SecretSchema } from '@lateen/xds/messages/proxy';
import { httpListener } from '../testing/runtime.ts';
import { inlineCertificate, withTls } from '../testing/tls.ts';
import { createLiveConfig, SECRET_TYPE_URL, TYPE_URLS } from './live-config.ts';
import { messageRegistry } from './registry.ts';

const ca = createCertificateAuthority();
const registry = messageRegistry();
const ADS: JsonObject = { ads: {}, resource_api_version: 'V3' };
const NAMES: JsonObject = {
  common_tls_context: {
    tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: ADS }],
    validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: ADS },
  },
};

function setup() {
  const config = createLiveConfig({ now: () => 1000, onRuntime: () => {} });
  const push = (typeUrl: string, schema: DescMessage, resources: readonly JsonObject[], removed: string[] = []) => {
    const changed = resources.map((json) => {
      const resource = anyPack(schema, fromJson(schema, json, { registry }));
      return [String(json['name']), { resource, version: '1' }] as const;
    });
    return config.update({ typeUrl, version: '1', removed, changed: new Map(changed) });
  };
  const certificate = (name: string): JsonObject => ({ name: 'default', tls_certificate: inlineCertificate(ca.issueServer([name])) });
  const root: JsonObject = { name: 'ROOTCA', validation_context: { trusted_ca: { inline_string: ca.rootPem } } };
  push(TYPE_URLS.listener, ListenerSchema, [
    withTls(httpListener('front', [{ match: { prefix: '/' }, direct_response: { status: 200 } }]), NAMES),
  ]);
  const served = () => {
    const secret = [...config.runtime.secrets.values()].find(({ kind }) => kind === 'certificate');
    return secret?.kind === 'certificate' ? secret.chainPem : undefined;
  };
  return { config, certificate, root, served, secrets: (...all: JsonObject[]) => push(SECRET_TYPE_URL, SecretSchema, all), push };
}

test('a listener asks for the secrets that it names and waits for all of them', () => {
  const { config, certificate, root, secrets } = setup();
  assert.deepEqual([...config.wanted('secret')].sort(), ['ROOTCA', 'default']);
  assert.equal(config.runtime.listeners.has('front'), false);
  secrets(certificate('a.test'));
  assert.equal(config.runtime.listeners.has('front'), false);
  secrets(root);
  assert.equal(config.runtime.listeners.has('front'), true);
});

test('a renewed certificate replaces the one before, and the listener stays what it is', () => {
  const { config, certificate, root, secrets, served } = setup();
  secrets(certificate('a.test'), root);
  const [before, listener] = [served(), config.runtime.listeners.get('front')];
  secrets(certificate('b.test'));
  assert.notEqual(served(), before);
  assert.equal(config.runtime.listeners.get('front'), listener);
});

test('a certificate that cannot be used is refused with its reason, and the one before serves on', () => {
  const { certificate, root, secrets, served } = setup();
  secrets(certificate('a.test'), root);
  const before = served();
  const result = secrets({
    name: 'default',
    tls_certificate: { certificate_chain: { inline_string: 'no PEM' }, private_key: { inline_string: 'none' } },
  });
  assert.equal(result.ok, false);
  assert.equal(served(), before);
});
