import type { CustomResourceDefinition, JsonSchemaProps, KubeObject } from '@lateen/kube/types';
import type { FieldError } from '../status.ts';
import { dns1035Fault, dnsLabelFault, subdomainFault } from './names.ts';

/** A CustomResourceDefinition: names, versions, and that its schemas are structural. */
export function validateDefinition(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const { metadata, spec } = object as unknown as CustomResourceDefinition;
  const errors: FieldError[] = [];
  const { names, group, versions = [], scope } = spec;
  if (!group) errors.push({ reason: 'Required', field: 'spec.group' });
  else if (subdomainFault(group))
    errors.push({ reason: 'Invalid', field: 'spec.group', value: group, message: subdomainFault(group) ?? '' });
  if (!names.plural) errors.push({ reason: 'Required', field: 'spec.names.plural' });
  else if (dns1035Fault(names.plural))
    errors.push({ reason: 'Invalid', field: 'spec.names.plural', value: names.plural, message: dns1035Fault(names.plural) ?? '' });
  if (!names.kind) errors.push({ reason: 'Required', field: 'spec.names.kind' });
  const wanted = `${names.plural}.${group}`;
  if (metadata.name !== wanted)
    errors.push({ reason: 'Invalid', field: 'metadata.name', value: metadata.name, message: 'must be spec.names.plural+"."+spec.group' });
  if (scope !== 'Cluster' && scope !== 'Namespaced')
    errors.push({ reason: 'NotSupported', field: 'spec.scope', value: scope ?? '', message: 'supported values: "Cluster", "Namespaced"' });
  if (versions.filter((version) => version.storage).length !== 1) {
    errors.push({
      reason: 'Invalid',
      field: 'spec.versions',
      value: versions.map(({ name }) => name),
      message: 'must have exactly one version marked as storage version',
    });
  }
  versions.forEach((version, i) => {
    const path = `spec.versions[${i}]`;
    if (!version.name || dnsLabelFault(version.name))
      errors.push({
        reason: 'Invalid',
        field: `${path}.name`,
        value: version.name ?? '',
        message: dnsLabelFault(version.name ?? '') ?? '',
      });
    const schema = version.schema?.openAPIV3Schema;
    if (!schema) errors.push({ reason: 'Required', field: `${path}.schema.openAPIV3Schema`, message: 'schemas are required' });
    else validateStructural(schema, `${path}.schema.openAPIV3Schema`, { errors, isRoot: true });
  });
  if (spec.conversion?.strategy === 'Webhook') {
    errors.push({
      reason: 'NotSupported',
      field: 'spec.conversion.strategy',
      value: 'Webhook',
      message: 'supported values: "None" (this embedded API server has no conversion webhooks)',
    });
  }
  const before = old as unknown as CustomResourceDefinition | undefined;
  if (before && before.spec.scope !== scope)
    errors.push({ reason: 'Invalid', field: 'spec.scope', value: scope, message: 'field is immutable' });
  if (before && before.spec.names.kind !== names.kind)
    errors.push({ reason: 'Invalid', field: 'spec.names.kind', value: names.kind, message: 'field is immutable' });
  return errors;
}

function validateStructural(schema: JsonSchemaProps, path: string, at: { errors: FieldError[]; isRoot: boolean }): void {
  const { errors, isRoot } = at;
  if (errors.length > 20) return;
  const isOpen = schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (isRoot && schema.type !== 'object')
    errors.push({ reason: 'Invalid', field: `${path}.type`, value: schema.type ?? '', message: 'must be object at the root' });
  else if (!schema.type && !isOpen)
    errors.push({ reason: 'Required', field: `${path}.type`, message: 'must not be empty for specified object fields' });
  if (schema.properties && schema.additionalProperties)
    errors.push({ reason: 'Forbidden', field: `${path}.additionalProperties`, message: 'must not be specified with properties' });
  if (schema.type === 'array' && !schema.items) errors.push({ reason: 'Required', field: `${path}.items`, message: 'must be specified' });
  const keys = schema['x-kubernetes-list-map-keys'];
  if (schema['x-kubernetes-list-type'] === 'map' && !keys?.length)
    errors.push({
      reason: 'Required',
      field: `${path}.x-kubernetes-list-map-keys`,
      message: 'must not be empty if x-kubernetes-list-type is map',
    });
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    if (isRoot && ['metadata', 'apiVersion', 'kind'].includes(name)) continue;
    validateStructural(inner, `${path}.properties[${name}]`, { errors, isRoot: false });
  }
  if (schema.items) validateStructural(schema.items, `${path}.items`, { errors, isRoot: false });
  if (typeof schema.additionalProperties === 'object')
    validateStructural(schema.additionalProperties, `${path}.additionalProperties`, { errors, isRoot: false });
}
