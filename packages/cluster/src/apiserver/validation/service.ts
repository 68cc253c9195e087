import type { KubeObject } from '@lateen/kube/types';
import type { FieldError } from '../status.ts';
import { dnsLabelFault } from './names.ts';

type Fields = Record<string, unknown>;
const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

export function validateService(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const spec = (object['spec'] as Fields | undefined) ?? {};
  const errors: FieldError[] = [];
  const type = String(spec['type']);
  if (!TYPES.includes(type)) {
    errors.push({
      reason: 'NotSupported',
      field: 'spec.type',
      value: type,
      message: `supported values: ${TYPES.map((one) => JSON.stringify(one)).join(', ')}`,
    });
  }
  const ports = (spec['ports'] as Fields[] | undefined) ?? [];
  const isHeadless = spec['clusterIP'] === 'None';
  if (ports.length === 0 && !isHeadless && type !== 'ExternalName') errors.push({ reason: 'Required', field: 'spec.ports' });
  if (type === 'ExternalName' && !spec['externalName']) errors.push({ reason: 'Required', field: 'spec.externalName' });
  validatePorts(ports, errors);
  const oldSpec = old?.['spec'] as Fields | undefined;
  const oldIp = oldSpec?.['clusterIP'];
  if (oldIp && oldSpec?.['type'] !== 'ExternalName' && type !== 'ExternalName' && spec['clusterIP'] !== oldIp) {
    errors.push({
      reason: 'Invalid',
      field: 'spec.clusterIPs[0]',
      shown: `[]string{${JSON.stringify(spec['clusterIP'] ?? '')}}`,
      message: 'may not change once set',
    });
  }
  return errors;
}

function validatePorts(ports: Fields[], errors: FieldError[]): void {
  const names = new Set<string>();
  const numbers = new Set<string>();
  ports.forEach((port, i) => {
    const field = `spec.ports[${i}]`;
    const name = String(port['name'] ?? '');
    if (name === '' && ports.length > 1) errors.push({ reason: 'Required', field: `${field}.name` });
    if (name !== '') {
      const fault = dnsLabelFault(name);
      if (fault) errors.push({ reason: 'Invalid', field: `${field}.name`, value: name, message: fault });
      if (names.has(name)) errors.push({ reason: 'Duplicate', field: `${field}.name`, value: name });
      names.add(name);
    }
    const number = Number(port['port'] ?? 0);
    if (number < 1 || number > 65535)
      errors.push({ reason: 'Invalid', field: `${field}.port`, value: number, message: 'must be between 1 and 65535, inclusive' });
    if (!['TCP', 'UDP', 'SCTP'].includes(String(port['protocol']))) {
      errors.push({
        reason: 'NotSupported',
        field: `${field}.protocol`,
        value: port['protocol'],
        message: 'supported values: "SCTP", "TCP", "UDP"',
      });
    }
    const identity = `${String(port['protocol'])}/${number}`;
    if (numbers.has(identity))
      errors.push({ reason: 'Duplicate', field, shown: JSON.stringify({ port: number, protocol: port['protocol'] }) });
    numbers.add(identity);
  });
}
