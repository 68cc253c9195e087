import { jsonEqual } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { FieldError } from '../status.ts';
import { dnsLabelFault, portNameFault } from './names.ts';

type Fields = Record<string, unknown>;
const items = (parent: Fields, name: string): Fields[] => (parent[name] as Fields[] | undefined) ?? [];

/** A pod on its own; after creation little of its spec may change. */
export function validatePod(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const spec = (object['spec'] as Fields | undefined) ?? {};
  const errors = validatePodSpec(spec, 'spec');
  if (old && !jsonEqual(frozen(spec), frozen((old['spec'] as Fields | undefined) ?? {}))) {
    errors.push({
      reason: 'Forbidden',
      field: 'spec',
      message:
        'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
    });
  }
  return errors;
}

// The binding subresource sets nodeName, ephemeralcontainers its list; both write through updates that are checked elsewhere.
function frozen(spec: Fields): unknown {
  const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, ephemeralContainers: _ephemeral, nodeName: _node, ...rest } = spec;
  const withoutImages = (name: string) => items(spec, name).map(({ image: _image, imagePullPolicy: _policy, ...container }) => container);
  return { ...rest, schedulingGates: undefined, containers: withoutImages('containers'), initContainers: withoutImages('initContainers') };
}

/** A pod spec, in a pod or a template. `claimed`: volumes that it may mount without declaring them. */
export function validatePodSpec(spec: Fields, path: string, claimed: readonly string[] = []): FieldError[] {
  const errors: FieldError[] = [];
  const volumes = new Set<string>();
  items(spec, 'volumes').forEach((volume, i) => {
    const field = `${path}.volumes[${i}].name`;
    const name = String(volume['name'] ?? '');
    if (name === '') errors.push({ reason: 'Required', field });
    else if (volumes.has(name)) errors.push({ reason: 'Duplicate', field, value: name });
    else if (dnsLabelFault(name)) errors.push({ reason: 'Invalid', field, value: name, message: dnsLabelFault(name) ?? '' });
    volumes.add(name);
  });
  for (const name of claimed) volumes.add(name);
  if (items(spec, 'containers').length === 0) errors.push({ reason: 'Required', field: `${path}.containers` });
  const names = new Set<string>();
  for (const list of ['initContainers', 'containers']) {
    items(spec, list).forEach((container, i) => {
      validateContainer(container, `${path}.${list}[${i}]`, { errors, names, volumes });
    });
  }
  const policy = spec['restartPolicy'];
  if (policy !== undefined && !['Always', 'OnFailure', 'Never'].includes(String(policy))) {
    errors.push({
      reason: 'NotSupported',
      field: `${path}.restartPolicy`,
      value: policy,
      message: 'supported values: "Always", "OnFailure", "Never"',
    });
  }
  return errors;
}

function validateContainer(
  container: Fields,
  path: string,
  into: { errors: FieldError[]; names: Set<string>; volumes: Set<string> },
): void {
  const { errors, names, volumes } = into;
  const name = String(container['name'] ?? '');
  if (name === '') errors.push({ reason: 'Required', field: `${path}.name` });
  else if (dnsLabelFault(name)) errors.push({ reason: 'Invalid', field: `${path}.name`, value: name, message: dnsLabelFault(name) ?? '' });
  else if (names.has(name)) errors.push({ reason: 'Duplicate', field: `${path}.name`, value: name });
  names.add(name);
  if (!container['image']) errors.push({ reason: 'Required', field: `${path}.image` });
  const portNames = new Set<string>();
  items(container, 'ports').forEach((port, i) => {
    const field = `${path}.ports[${i}]`;
    const number = port['containerPort'];
    if (number === undefined) errors.push({ reason: 'Required', field: `${field}.containerPort` });
    else if (Number(number) < 1 || Number(number) > 65535) {
      errors.push({ reason: 'Invalid', field: `${field}.containerPort`, value: number, message: 'must be between 1 and 65535, inclusive' });
    }
    const portName = port['name'] as string | undefined;
    if (!portName) return;
    const fault = portNameFault(portName);
    if (fault) errors.push({ reason: 'Invalid', field: `${field}.name`, value: portName, message: fault });
    if (portNames.has(portName)) errors.push({ reason: 'Duplicate', field: `${field}.name`, value: portName });
    portNames.add(portName);
  });
  items(container, 'env').forEach((variable, i) => {
    if (!variable['name']) errors.push({ reason: 'Required', field: `${path}.env[${i}].name` });
    if (variable['value'] && variable['valueFrom']) {
      errors.push({
        reason: 'Invalid',
        field: `${path}.env[${i}].valueFrom`,
        value: '',
        message: 'may not be specified when `value` is not empty',
      });
    }
  });
  items(container, 'volumeMounts').forEach((mount, i) => {
    const field = `${path}.volumeMounts[${i}]`;
    if (!mount['name']) errors.push({ reason: 'Required', field: `${field}.name` });
    else if (!volumes.has(String(mount['name']))) errors.push({ reason: 'NotFound', field: `${field}.name`, value: mount['name'] });
    if (!mount['mountPath']) errors.push({ reason: 'Required', field: `${field}.mountPath` });
  });
}
