// What holds for the metadata of every object.

import type { KubeObject } from '@lateen/kube/types';
import type { Resource } from '../registry/resource.ts';
import type { FieldError } from '../status.ts';
import { dns1035Fault, dnsLabelFault, labelValueFault, pathSegmentFault, qualifiedNameFault, subdomainFault } from './names.ts';

const MAX_ANNOTATIONS = 256 * 1024;

/** Errors in names, labels, annotations, owners and finalizers. */
export function validateMetadata(resource: Resource, { metadata }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const { name } = metadata;
  if (!name) errors.push({ reason: 'Required', field: 'metadata.name', message: 'name or generateName is required' });
  else {
    const fault = nameFault(resource)(name);
    if (fault) errors.push({ reason: 'Invalid', field: 'metadata.name', value: name, message: fault });
  }
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    const keyFault = qualifiedNameFault(key);
    if (keyFault) errors.push({ reason: 'Invalid', field: 'metadata.labels', value: key, message: keyFault });
    const valueFault = labelValueFault(value);
    if (valueFault) errors.push({ reason: 'Invalid', field: 'metadata.labels', value, message: valueFault });
  }
  let size = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    size += key.length + value.length;
    const fault = qualifiedNameFault(key.toLowerCase());
    if (fault) errors.push({ reason: 'Invalid', field: 'metadata.annotations', value: key, message: fault });
  }
  if (size > MAX_ANNOTATIONS)
    errors.push({ reason: 'TooLong', field: 'metadata.annotations', message: `may not be more than ${MAX_ANNOTATIONS} bytes` });
  (metadata.ownerReferences ?? []).forEach((owner, i) => {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (!owner[field])
        errors.push({
          reason: 'Invalid',
          field: `metadata.ownerReferences[${i}].${field}`,
          value: owner[field] ?? '',
          message: `${field} must not be empty`,
        });
    }
  });
  for (const finalizer of metadata.finalizers ?? []) {
    const fault = qualifiedNameFault(finalizer);
    if (fault) errors.push({ reason: 'Invalid', field: 'metadata.finalizers', value: finalizer, message: fault });
  }
  return errors;
}

/** Errors in what an update does to the metadata. */
export function validateMetadataUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  if (!old.metadata.deletionTimestamp) return [];
  const added = (object.metadata.finalizers ?? []).filter((one) => !old.metadata.finalizers?.includes(one));
  if (added.length === 0) return [];
  const shown = `[]string{${added.map((one) => JSON.stringify(one)).join(', ')}}`;
  return [
    {
      reason: 'Forbidden',
      field: 'metadata.finalizers',
      message: `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}`,
    },
  ];
}

function nameFault(resource: Resource): (name: string) => string | undefined {
  if (resource.group === 'rbac.authorization.k8s.io') return pathSegmentFault;
  if (resource.storage === 'namespaces') return dnsLabelFault;
  if (resource.storage === 'services') return dns1035Fault;
  return subdomainFault;
}
