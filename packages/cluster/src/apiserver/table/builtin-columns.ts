// The columns of the built-in kinds, as kubectl prints them.

import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { Column } from '../registry/resource.ts';
import { age, ageColumn, at, column, humanDuration, list, nameColumn, selectorText, wide } from './columns.ts';
import { POD_COLUMNS } from './pod-columns.ts';

type Named = { name?: string };

const count = (path: string) => (object: KubeObject) => {
  const value = at(object, path);
  return Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 0;
};
const text =
  (path: string, fallback = '<none>') =>
  (object: KubeObject) =>
    String(at(object, path) ?? fallback);
const number = (path: string) => (object: KubeObject) => Number(at(object, path) ?? 0);
const templateNames = (object: KubeObject) =>
  list<Named>(object, 'spec.template.spec.containers')
    .map((one) => one.name)
    .join(',');
const templateImages = (object: KubeObject) =>
  list<{ image?: string }>(object, 'spec.template.spec.containers')
    .map((one) => one.image)
    .join(',');
const workloadWide = [
  wide('Containers', templateNames),
  wide('Images', templateImages),
  wide('Selector', (object) => selectorText(at(object, 'spec.selector'))),
];

function servicePorts(object: KubeObject): string {
  const ports = list<{ port: number; nodePort?: number; protocol?: string }>(object, 'spec.ports');
  if (ports.length === 0) return '<none>';
  return ports.map((one) => `${one.port}${one.nodePort ? `:${one.nodePort}` : ''}/${one.protocol ?? 'TCP'}`).join(',');
}

const loadBalancerText = (object: KubeObject) =>
  list<{ ip?: string; hostname?: string }>(object, 'status.loadBalancer.ingress')
    .map((one) => one.ip ?? one.hostname)
    .join(',');

function externalAddress(object: KubeObject): string {
  const external = list<string>(object, 'spec.externalIPs');
  switch (at(object, 'spec.type')) {
    case 'ExternalName':
      return String(at(object, 'spec.externalName'));
    case 'LoadBalancer':
      return [loadBalancerText(object), ...external].filter((one) => one !== '').join(',') || '<pending>';
    default:
      return external.join(',') || '<none>';
  }
}

function nodeStatus(object: KubeObject): string {
  const ready = list<{ type: string; status: string }>(object, 'status.conditions').find((one) => one.type === 'Ready');
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return at(object, 'spec.unschedulable') === true ? `${word},SchedulingDisabled` : word;
}

function nodeRoles(object: KubeObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(object.metadata.labels ?? {}).filter((key) => key.startsWith(prefix));
  return (
    roles
      .map((key) => key.slice(prefix.length))
      .sort()
      .join(',') || '<none>'
  );
}

const nodeAddress = (type: string) => (object: KubeObject) =>
  list<{ type: string; address: string }>(object, 'status.addresses').find((one) => one.type === type)?.address ?? '<none>';

function endpointsText(object: KubeObject): string {
  const all = list<{ addresses?: { ip: string }[]; ports?: { port: number }[] }>(object, 'subsets').flatMap(
    ({ addresses = [], ports = [] }) => addresses.flatMap(({ ip }) => (ports.length > 0 ? ports.map(({ port }) => `${ip}:${port}`) : [ip])),
  );
  return all.length === 0 ? '<none>' : `${all.slice(0, 3).join(',')}${all.length > 3 ? ` + ${all.length - 3} more...` : ''}`;
}

const more = (items: string[]): string =>
  items.length > 3 ? `${items.slice(0, 3).join(',')} + ${items.length - 3} more...` : items.join(',') || '<unset>';

function jobStatus(object: KubeObject): string {
  const conditions = list<{ type: string; status: string }>(object, 'status.conditions').filter((one) => one.status === 'True');
  const found = ['Complete', 'Failed', 'Suspended'].find((type) => conditions.some((one) => one.type === type));
  return found ?? (object.metadata.deletionTimestamp ? 'Terminating' : 'Running');
}

function jobDuration(object: KubeObject, nowMs: number): string {
  const start = at(object, 'status.startTime');
  if (typeof start !== 'string') return '';
  const end = at(object, 'status.completionTime');
  return humanDuration((typeof end === 'string' ? Date.parse(end) : nowMs) - Date.parse(start));
}

const eventTime = (object: KubeObject) =>
  at(object, 'series.lastObservedTime') ??
  object['lastTimestamp'] ??
  object['deprecatedLastTimestamp'] ??
  object['eventTime'] ??
  object['firstTimestamp'];
const eventObject = (object: KubeObject) => (object['involvedObject'] ?? object['regarding'] ?? {}) as { kind?: string; name?: string };

const eventColumns: Column[] = [
  column('Last Seen', (object, nowMs) => {
    const times = Number(at(object, 'series.count') ?? object['count'] ?? object['deprecatedCount'] ?? 1);
    const first = object['firstTimestamp'] ?? object['deprecatedFirstTimestamp'];
    const seen = age(eventTime(object), nowMs);
    return times > 1 && first ? `${seen} (x${times} over ${age(first, nowMs)})` : seen;
  }),
  column('Type', text('type', '')),
  column('Reason', text('reason', '')),
  column('Object', (object) => `${(eventObject(object).kind ?? '').toLowerCase()}/${eventObject(object).name ?? ''}`),
  wide('Subobject', text('involvedObject.fieldPath', '')),
  wide('Source', (object) =>
    [at(object, 'source.component') ?? object['reportingComponent'] ?? object['reportingController'], at(object, 'source.host')]
      .filter(Boolean)
      .join(', '),
  ),
  column('Message', (object) => String(object['message'] ?? object['note'] ?? '').trim()),
  wide('First Seen', (object, nowMs) => age(object['firstTimestamp'] ?? object['deprecatedFirstTimestamp'] ?? object['eventTime'], nowMs)),
  wide('Count', (object) => String(object['count'] ?? object['deprecatedCount'] ?? 1)),
  wide('Name', (object) => object.metadata.name),
];

const roleRefText = (object: KubeObject) => `${String(at(object, 'roleRef.kind'))}/${String(at(object, 'roleRef.name'))}`;
const createdAt = column('Created At', (object) => object.metadata.creationTimestamp ?? '');

const COLUMNS: Record<string, readonly Column[]> = {
  Pod: POD_COLUMNS,
  Service: [
    nameColumn,
    column('Type', text('spec.type')),
    column('Cluster-IP', text('spec.clusterIP')),
    column('External-IP', externalAddress),
    column('Port(s)', servicePorts),
    ageColumn,
    wide('Selector', (object) => selectorText(at(object, 'spec.selector'))),
  ],
  Namespace: [nameColumn, column('Status', text('status.phase', '')), ageColumn],
  Node: [
    nameColumn,
    column('Status', nodeStatus),
    column('Roles', nodeRoles),
    ageColumn,
    column('Version', text('status.nodeInfo.kubeletVersion', '')),
    wide('Internal-IP', nodeAddress('InternalIP')),
    wide('External-IP', nodeAddress('ExternalIP')),
    wide('OS-Image', text('status.nodeInfo.osImage', '<unknown>')),
    wide('Kernel-Version', text('status.nodeInfo.kernelVersion', '<unknown>')),
    wide('Container-Runtime', text('status.nodeInfo.containerRuntimeVersion', '<unknown>')),
  ],
  ConfigMap: [nameColumn, column('Data', (object) => count('data')(object) + count('binaryData')(object)), ageColumn],
  Secret: [nameColumn, column('Type', text('type', '')), column('Data', count('data'), 'integer'), ageColumn],
  ServiceAccount: [nameColumn, column('Secrets', count('secrets'), 'integer'), ageColumn],
  Endpoints: [nameColumn, column('Endpoints', endpointsText), ageColumn],
  Event: eventColumns,
  PersistentVolumeClaim: [
    nameColumn,
    column('Status', text('status.phase', '')),
    column('Volume', text('spec.volumeName', '')),
    column('Capacity', text('status.capacity.storage', '')),
    column('Access Modes', (object) => list<string>(object, 'status.accessModes').join(',')),
    column('StorageClass', text('spec.storageClassName', '')),
    ageColumn,
  ],
  Deployment: [
    nameColumn,
    column('Ready', (object) => `${number('status.readyReplicas')(object)}/${number('spec.replicas')(object)}`),
    column('Up-to-date', number('status.updatedReplicas'), 'integer'),
    column('Available', number('status.availableReplicas'), 'integer'),
    ageColumn,
    ...workloadWide,
  ],
  ReplicaSet: [
    nameColumn,
    column('Desired', number('spec.replicas'), 'integer'),
    column('Current', number('status.replicas'), 'integer'),
    column('Ready', number('status.readyReplicas'), 'integer'),
    ageColumn,
    ...workloadWide,
  ],
  StatefulSet: [
    nameColumn,
    column('Ready', (object) => `${number('status.readyReplicas')(object)}/${number('spec.replicas')(object)}`),
    ageColumn,
    ...workloadWide.slice(0, 2),
  ],
  DaemonSet: [
    nameColumn,
    column('Desired', number('status.desiredNumberScheduled'), 'integer'),
    column('Current', number('status.currentNumberScheduled'), 'integer'),
    column('Ready', number('status.numberReady'), 'integer'),
    column('Up-to-date', number('status.updatedNumberScheduled'), 'integer'),
    column('Available', number('status.numberAvailable'), 'integer'),
    column('Node Selector', (object) => selectorText(at(object, 'spec.template.spec.nodeSelector'))),
    ageColumn,
    ...workloadWide,
  ],
  ControllerRevision: [
    nameColumn,
    column('Controller', (object) => {
      const owner = object.metadata.ownerReferences?.find((one) => one.controller);
      return owner ? `${owner.kind.toLowerCase()}.${owner.apiVersion.split('/')[0]}/${owner.name}` : '<none>';
    }),
    column('Revision', number('revision'), 'integer'),
    ageColumn,
  ],
  Job: [
    nameColumn,
    column('Status', jobStatus),
    column(
      'Completions',
      (object) => `${number('status.succeeded')(object)}/${String(at(object, 'spec.completions') ?? at(object, 'spec.parallelism') ?? 1)}`,
    ),
    column('Duration', jobDuration),
    ageColumn,
    ...workloadWide,
  ],
  CronJob: [
    nameColumn,
    column('Schedule', text('spec.schedule', '')),
    column('Timezone', text('spec.timeZone')),
    column('Suspend', (object) => (at(object, 'spec.suspend') === true ? 'True' : 'False')),
    column('Active', count('status.active'), 'integer'),
    column('Last Schedule', (object, nowMs) =>
      at(object, 'status.lastScheduleTime') ? age(at(object, 'status.lastScheduleTime'), nowMs) : '<none>',
    ),
    ageColumn,
  ],
  EndpointSlice: [
    nameColumn,
    column('AddressType', text('addressType', '')),
    column('Ports', (object) => more(list<{ port?: number }>(object, 'ports').map((one) => String(one.port ?? '*')))),
    column('Endpoints', (object) => more(list<{ addresses?: string[] }>(object, 'endpoints').flatMap((one) => one.addresses ?? []))),
    ageColumn,
  ],
  Lease: [nameColumn, column('Holder', text('spec.holderIdentity', '')), ageColumn],
  Ingress: [
    nameColumn,
    column('Class', (object) =>
      String(at(object, 'spec.ingressClassName') ?? object.metadata.annotations?.['kubernetes.io/ingress.class'] ?? '<none>'),
    ),
    column('Hosts', (object) => {
      const hosts = list<{ host?: string }>(object, 'spec.rules')
        .map((one) => one.host)
        .filter(Boolean) as string[];
      return hosts.length === 0 ? '*' : more(hosts);
    }),
    column('Address', loadBalancerText),
    column('Ports', (object) => (count('spec.tls')(object) > 0 ? '80, 443' : '80')),
    ageColumn,
  ],
  IngressClass: [
    nameColumn,
    column('Controller', text('spec.controller', '')),
    column('Parameters', (object) =>
      at(object, 'spec.parameters')
        ? `${String(at(object, 'spec.parameters.kind'))}/${String(at(object, 'spec.parameters.name'))}`
        : '<none>',
    ),
    ageColumn,
  ],
  NetworkPolicy: [nameColumn, column('Pod-Selector', (object) => selectorText(at(object, 'spec.podSelector'))), ageColumn],
  PodDisruptionBudget: [
    nameColumn,
    column('Min Available', text('spec.minAvailable', 'N/A')),
    column('Max Unavailable', text('spec.maxUnavailable', 'N/A')),
    column('Allowed Disruptions', number('status.disruptionsAllowed'), 'integer'),
    ageColumn,
  ],
  HorizontalPodAutoscaler: [
    nameColumn,
    column('Reference', (object) => `${String(at(object, 'spec.scaleTargetRef.kind'))}/${String(at(object, 'spec.scaleTargetRef.name'))}`),
    column('Targets', () => '<unknown>'),
    column('MinPods', text('spec.minReplicas', '<unset>')),
    column('MaxPods', number('spec.maxReplicas'), 'integer'),
    column('Replicas', number('status.currentReplicas'), 'integer'),
    ageColumn,
  ],
  MutatingWebhookConfiguration: [nameColumn, column('Webhooks', count('webhooks'), 'integer'), ageColumn],
  ValidatingWebhookConfiguration: [nameColumn, column('Webhooks', count('webhooks'), 'integer'), ageColumn],
  CustomResourceDefinition: [nameColumn, createdAt],
  Role: [nameColumn, createdAt],
  ClusterRole: [nameColumn, createdAt],
  RoleBinding: [nameColumn, column('Role', roleRefText), ageColumn],
  ClusterRoleBinding: [nameColumn, column('Role', roleRefText), ageColumn],
  PriorityClass: [
    nameColumn,
    column('Value', number('value'), 'integer'),
    column('Global-Default', text('globalDefault', 'false')),
    ageColumn,
  ],
  StorageClass: [nameColumn, column('Provisioner', text('provisioner', '')), ageColumn],
};

/** The columns of a built-in kind; name and age where it has no own. */
export const columnsOf = (kind: string): readonly Column[] => COLUMNS[kind] ?? [nameColumn, ageColumn];
