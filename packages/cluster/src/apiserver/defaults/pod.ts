// Defaults of a pod spec, in pods and in templates alike.

import { fill, section } from './fill.ts';

type Fields = Record<string, unknown>;

const items = (parent: Fields, name: string): Fields[] => (parent[name] as Fields[] | undefined) ?? [];

/** Fills in defaults in place. */
export function defaultPodSpec(spec: Fields): void {
  fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
  });
  section(spec, 'securityContext');
  // Both names of the same field are kept equal.
  if (spec['serviceAccountName'] !== undefined) spec['serviceAccount'] = spec['serviceAccountName'];
  else if (spec['serviceAccount'] !== undefined) spec['serviceAccountName'] = spec['serviceAccount'];
  for (const container of [...items(spec, 'initContainers'), ...items(spec, 'containers'), ...items(spec, 'ephemeralContainers')])
    defaultContainer(container);
  for (const volume of items(spec, 'volumes')) defaultVolume(volume);
}

function defaultContainer(container: Fields): void {
  const image = String(container['image'] ?? '');
  const tag = /:([^:/@]+)(@|$)/.exec(image)?.[1];
  const isLatest = !image.includes('@') && (tag === undefined || tag === 'latest');
  fill(container, {
    imagePullPolicy: isLatest ? 'Always' : 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  defaultResources(section(container, 'resources'));
  for (const port of items(container, 'ports')) fill(port, { protocol: 'TCP' });
  for (const variable of items(container, 'env')) {
    const fieldRef = (variable['valueFrom'] as Fields | undefined)?.['fieldRef'] as Fields | undefined;
    if (fieldRef) fill(fieldRef, { apiVersion: 'v1' });
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) if (container[name]) defaultProbe(container[name] as Fields);
  for (const hook of Object.values((container['lifecycle'] as Record<string, Fields> | undefined) ?? {})) defaultHandler(hook);
}

// A limit without a request is its own request.
function defaultResources(resources: Fields): void {
  const limits = resources['limits'] as Fields | undefined;
  if (limits && Object.keys(limits).length > 0) fill(section(resources, 'requests'), limits);
}

function defaultProbe(probe: Fields): void {
  fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
  defaultHandler(probe);
}

function defaultHandler(handler: Fields): void {
  const http = handler['httpGet'] as Fields | undefined;
  if (http) fill(http, { path: '/', scheme: 'HTTP' });
  const grpc = handler['grpc'] as Fields | undefined;
  if (grpc) fill(grpc, { service: '' });
}

const FILE_SOURCES = ['secret', 'configMap', 'downwardAPI', 'projected'];
const MODE_0644 = 420;

function defaultVolume(volume: Fields): void {
  if (Object.keys(volume).length === 1) volume['emptyDir'] = {};
  for (const source of FILE_SOURCES) if (volume[source]) fill(volume[source] as Fields, { defaultMode: MODE_0644 });
  const hostPath = volume['hostPath'] as Fields | undefined;
  if (hostPath) fill(hostPath, { type: '' });
  const projected = items((volume['projected'] as Fields | undefined) ?? {}, 'sources');
  for (const source of projected) {
    const token = source['serviceAccountToken'] as Fields | undefined;
    if (token) fill(token, { expirationSeconds: 3600 });
  }
  const downward = [volume, ...projected].flatMap((one) => items((one['downwardAPI'] as Fields | undefined) ?? {}, 'items'));
  for (const { fieldRef } of downward) if (fieldRef) fill(fieldRef as Fields, { apiVersion: 'v1' });
}
