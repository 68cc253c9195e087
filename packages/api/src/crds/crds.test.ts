import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { crds } from './crds.ts';
import type { OpenApiSchema } from './open-api.ts';

const all = crds();
const find = (kind: string) => {
  const crd = all.find((candidate) => candidate.spec.names.kind === kind);
  assert.ok(crd, kind);
  return crd;
};

test('every kind has its names, versions and categories', () => {
  const shape = Object.fromEntries(
    all.map((crd) => [
      crd.metadata.name,
      `${crd.spec.versions.map((version) => version.name).join(',')} ${(crd.spec.names.shortNames ?? ['-']).join(',')}`,
    ]),
  );
  assert.deepEqual(shape, {
    'virtualservices.networking.istio.io': 'v1,v1beta1,v1alpha3 vs',
    'destinationrules.networking.istio.io': 'v1,v1beta1,v1alpha3 dr',
    'gateways.networking.istio.io': 'v1,v1beta1,v1alpha3 gw',
    'serviceentries.networking.istio.io': 'v1,v1beta1,v1alpha3 se',
    'sidecars.networking.istio.io': 'v1,v1beta1,v1alpha3 -',
    'workloadentries.networking.istio.io': 'v1,v1beta1,v1alpha3 we',
    'workloadgroups.networking.istio.io': 'v1,v1beta1,v1alpha3 wg',
    'envoyfilters.networking.istio.io': 'v1alpha3 -',
    'proxyconfigs.networking.istio.io': 'v1beta1 -',
    'peerauthentications.security.istio.io': 'v1,v1beta1 pa',
    'requestauthentications.security.istio.io': 'v1,v1beta1 ra',
    'authorizationpolicies.security.istio.io': 'v1,v1beta1 ap',
    'telemetries.telemetry.istio.io': 'v1,v1alpha1 telemetry',
    'wasmplugins.extensions.istio.io': 'v1alpha1 -',
  });
  for (const crd of all) {
    assert.deepEqual(crd.spec.names.categories, ['istio-io', crd.spec.group.replaceAll('.', '-')]);
    assert.equal(crd.spec.versions.filter((version) => version.storage).length, 1);
    assert.ok(crd.spec.versions.every((version) => version.served && version.subresources.status));
  }
});

test('columns are the ones people know', () => {
  const columns = (kind: string): string[] => find(kind).spec.versions[0]?.additionalPrinterColumns.map((column) => column.name) ?? [];
  assert.deepEqual(columns('VirtualService'), ['Gateways', 'Hosts', 'Age']);
  assert.deepEqual(columns('DestinationRule'), ['Host', 'Age']);
  assert.deepEqual(columns('ServiceEntry'), ['Hosts', 'Location', 'Resolution', 'Age']);
  assert.deepEqual(columns('AuthorizationPolicy'), ['Action', 'Age']);
  assert.deepEqual(columns('PeerAuthentication'), ['Mode', 'Age']);
});

// What apiextensions demands of a structural schema, and that none of our own keywords leaks.
function assertStructural(schema: OpenApiSchema, path: string): void {
  const inner = schema as {
    type?: string;
    properties?: Record<string, OpenApiSchema>;
    items?: OpenApiSchema;
    additionalProperties?: OpenApiSchema;
  };
  for (const key of Object.keys(schema)) assert.ok(!['oneOfFields', 'minDurationMs', 'listMapKey', 'cel'].includes(key), `${path}: ${key}`);
  if (!schema['x-kubernetes-int-or-string']) assert.ok(inner.type, `${path}: no type`);
  assert.ok(!(inner.properties && inner.additionalProperties), `${path}: properties and additionalProperties`);
  if (inner.type === 'array') assert.ok(inner.items, `${path}: no items`);
  for (const [name, child] of Object.entries(inner.properties ?? {})) assertStructural(child, `${path}.${name}`);
  if (inner.items) assertStructural(inner.items, `${path}[]`);
  if (inner.additionalProperties) assertStructural(inner.additionalProperties, `${path}{}`);
}

test('every schema is structural', () => {
  for (const crd of all)
    for (const version of crd.spec.versions) assertStructural(version.schema.openAPIV3Schema, `${crd.spec.names.kind}/${version.name}`);
});

test('the generated file is current', () => {
  const documents = parseAllDocuments(readFileSync(join(import.meta.dirname, '../../generated/crds.yaml'), 'utf8')).map(
    (document) => document.toJS() as unknown,
  );
  assert.deepEqual(documents, JSON.parse(JSON.stringify(all)), 'run: node tools/generate.ts');
});
