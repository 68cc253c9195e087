// OpenAPI as kubectl needs it: v3 paths that say "this kind can be patched and validates fields", v3 schemas for `explain`, and
// the smallest v2 document. Strategic-merge details are left out on purpose: kubectl then uses its own types.

import type { CustomResourceDefinition } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';
import { type ApiReply, json } from '../http/exchange.ts';
import type { Registry } from '../registry/registry.ts';
import type { Resource } from '../registry/resource.ts';
import type { ObjectSchema, Schema } from '../schema/schema.ts';
import { documentName } from './discovery.ts';

// Swagger "2.0" as a protobuf document; kubectl only needs that there is one.
const V2_DOCUMENT = Buffer.from([0x0a, 0x03, 0x32, 0x2e, 0x30]);
// With dots: the "@" of the Accept header is an invalid media type and breaks Go's parser.
const V2_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

type Documents = { registry: Registry; store: Store };

/** Answers /openapi/v2, /openapi/v3 and its documents; undefined otherwise. */
export function openApi({ registry, store }: Documents, path: string): ApiReply | undefined {
  if (path === '/openapi/v2') return { status: 200, body: V2_DOCUMENT, headers: { 'content-type': V2_TYPE } };
  if (path === '/openapi/v3') {
    const names = [...new Set(registry.all().map(documentName))];
    const hash = registry.generation;
    return json(200, { paths: Object.fromEntries(names.map((name) => [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` }])) });
  }
  if (!path.startsWith('/openapi/v3/')) return undefined;
  const resources = registry.all().filter((resource) => documentName(resource) === path.slice('/openapi/v3/'.length));
  return resources.length === 0 ? undefined : json(200, documentOf(resources, store));
}

function documentOf(resources: Resource[], store: Store): unknown {
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, unknown> = {};
  for (const resource of resources) {
    Object.assign(paths, pathsOf(resource));
    if (resource.custom) schemas[schemaName(resource)] = customDocument(resource, store);
    else addBuiltin(resource.schema, schemas, resource);
  }
  addBuiltin(OBJECT_META(resources), schemas, undefined);
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: 'v1.32.0' }, paths, components: { schemas } };
}

const OBJECT_META = (resources: Resource[]): Schema => resources[0]?.schema.fields.get('metadata')?.schema ?? { type: 'raw' };

const gvkOf = ({ group, version, kind }: Resource) => ({ group, version, kind });
const parameter = (name: string, place = 'query') => ({
  name,
  in: place,
  required: place === 'path',
  schema: { type: 'string', uniqueItems: true },
});

function pathsOf(resource: Resource): Record<string, unknown> {
  const base = `/${documentName(resource)}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}`;
  const operation = (action: string) => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvkOf(resource),
    parameters: [parameter('dryRun'), parameter('fieldManager'), parameter('fieldValidation')],
    responses: { '200': { description: 'OK' } },
  });
  if (!resource.verbs.includes('get')) return { [base]: { post: operation('post') } };
  return {
    [base]: { get: operation('list'), post: operation('post') },
    [`${base}/{name}`]: { get: operation('get'), put: operation('put'), patch: operation('patch'), delete: operation('delete') },
  };
}

const schemaName = (resource: Resource): string => [...resource.group.split('.').reverse(), resource.version, resource.kind].join('.');

function customDocument(resource: Resource, store: Store): unknown {
  const stored = store.get({
    resource: 'customresourcedefinitions.apiextensions.k8s.io',
    namespace: '',
    name: resource.custom?.definition ?? '',
  });
  const definition = stored as unknown as CustomResourceDefinition | undefined;
  const schema = definition?.spec.versions.find(({ name }) => name === resource.version)?.schema?.openAPIV3Schema;
  return {
    ...(schema ?? { type: 'object' }),
    properties: {
      ...schema?.properties,
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }] },
    },
    'x-kubernetes-group-version-kind': [gvkOf(resource)],
  };
}

/** "core.v1.Pod" -> "io.k8s.api.core.v1.Pod". */
function publicName(name: string): string {
  if (name.startsWith('meta.')) return `io.k8s.apimachinery.pkg.apis.${name}`;
  return name.startsWith('apiextensions.') ? `io.k8s.apiextensions-apiserver.pkg.apis.${name}` : `io.k8s.api.${name}`;
}

function addBuiltin(schema: Schema, schemas: Record<string, unknown>, resource: Resource | undefined): void {
  if (schema.type === 'array' || schema.type === 'map') return addBuiltin(schema.items, schemas, undefined);
  if (schema.type !== 'object' || schema.name === undefined) return;
  const name = publicName(schema.name);
  if (Object.hasOwn(schemas, name)) return;
  const document: Record<string, unknown> = { type: 'object' };
  schemas[name] = document;
  const fields = [...schema.fields.values()];
  document['properties'] = Object.fromEntries(fields.map((field) => [field.name, reference(field.schema)]));
  const required = fields.filter((field) => field.required).map((field) => field.name);
  if (required.length > 0) document['required'] = required;
  if (resource) document['x-kubernetes-group-version-kind'] = [gvkOf(resource)];
  for (const field of fields) addBuiltin(field.schema, schemas, undefined);
}

function reference(schema: Schema): unknown {
  switch (schema.type) {
    case 'object':
      return schema.name === undefined
        ? { type: 'object' }
        : { allOf: [{ $ref: `#/components/schemas/${publicName((schema as ObjectSchema).name ?? '')}` }] };
    case 'array':
      return {
        type: 'array',
        items: reference(schema.items),
        ...(Array.isArray(schema.merge) ? { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': schema.merge } : {}),
      };
    case 'map':
      return { type: 'object', additionalProperties: reference(schema.items) };
    case 'bool':
      return { type: 'boolean' };
    case 'int32':
    case 'int64':
      return { type: 'integer', format: schema.type };
    case 'number':
      return { type: 'number', format: 'double' };
    case 'bytes':
      return { type: 'string', format: 'byte' };
    case 'time':
    case 'microTime':
      return { type: 'string', format: 'date-time' };
    case 'intOrString':
    case 'quantity':
      return { oneOf: [{ type: 'string' }, { type: 'number' }] };
    case 'raw':
      return { type: 'object' };
    default:
      return { type: 'string' };
  }
}
