// DestinationRules: hosts that are no service (IST0174), subsets without pods (IST0173), TLS that verifies nothing (IST0128,
// IST0129).

import type { ClientTls, DestinationRule } from '@lateen/api';
import type { Service } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { fullHost, HostRegistry, type RegisteredHost } from './registry.ts';
import { selects } from './selectors.ts';
import { stringsOf, type Workload, type World } from './world.ts';

/** Endpoint labels the mesh adds itself; from these a subset cannot be judged here. */
const MESH_LABELS = ['topology.istio.io/network', 'topology.istio.io/cluster'];
const NODE_LABELS: Record<string, string> = {
  'topology.kubernetes.io/region': 'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'topology.istio.io/subzone': 'topology.istio.io/subzone',
};

export function analyzeSubsets(world: World, out: Collector): void {
  const registry = new HostRegistry(world);
  const pods = world.pods.map((pod) => ({ pod, labels: { ...pod.labels, ...localityLabels(world, pod) } }));
  for (const rule of world.istio('DestinationRule')) {
    const namespace = rule.metadata.namespace ?? '';
    const registered = registry.find(fullHost(rule.spec.host ?? '', namespace), [namespace]);
    if (!registered) {
      if (rule.spec.host?.includes('*')) continue;
      out.add('IST0174', rule, {
        path: 'spec.host',
        message: `The host ${rule.spec.host} defined in the DestinationRule does not match any services in the mesh.`,
      });
      continue;
    }
    const candidates = pods.filter(({ pod }) => isEndpoint(registered, pod));
    if (registered.object.kind !== 'Service') continue;
    rule.spec.subsets?.forEach((subset, i) => {
      const wanted = Object.fromEntries(Object.entries(subset.labels ?? {}).filter(([key]) => !MESH_LABELS.includes(key)));
      if (candidates.some(({ labels }) => selects(wanted, labels))) return;
      out.add('IST0173', rule, {
        path: `spec.subsets[${i}].labels`,
        message: `The Subset ${subset.name} defined in the DestinationRule does not select any pods. Which may lead to 503 UH (NoHealthyUpstream).`,
        fix: `No pod of ${rule.spec.host} has all of these labels.`,
      });
    });
  }
}

function isEndpoint({ object }: RegisteredHost, pod: Workload): boolean {
  const { selector } = (object as unknown as Service).spec ?? {};
  return pod.namespace === object.metadata.namespace && (!selector || selects(selector, pod.labels));
}

function localityLabels(world: World, pod: Workload): Record<string, string> {
  const node = world.all('', 'Node').find(({ metadata }) => metadata.name === pod.spec.nodeName);
  const labels = stringsOf(node?.metadata.labels);
  return Object.fromEntries(Object.entries(NODE_LABELS).flatMap(([from, to]) => (labels[from] ? [[to, labels[from]]] : [])));
}

export function analyzeServerVerification(world: World, out: Collector): void {
  for (const rule of world.istio('DestinationRule')) {
    const policy = rule.spec.trafficPolicy;
    if (verifiesNothing(rule, policy?.tls)) reportUnverified(rule, { path: 'spec.trafficPolicy.tls', mode: policy?.tls?.mode ?? '' }, out);
    policy?.portLevelSettings?.forEach((settings, i) => {
      if (!verifiesNothing(rule, settings.tls)) return;
      const path = `spec.trafficPolicy.portLevelSettings[${i}].tls`;
      reportUnverified(rule, { path, mode: settings.tls?.mode ?? '', port: settings.port?.number ?? 0 }, out);
    });
  }
}

// credentialName brings CA certificates only to the workloads a selector names.
function verifiesNothing({ spec }: DestinationRule, tls: ClientTls | undefined): boolean {
  if (tls?.mode !== 'SIMPLE' && tls?.mode !== 'MUTUAL') return false;
  return !tls.caCertificates && !(tls.credentialName && spec.workloadSelector) && !tls.insecureSkipVerify;
}

type Unverified = { path: string; mode: string; port?: number };

function reportUnverified(rule: DestinationRule, { path, mode, port }: Unverified, out: Collector): void {
  const where = port === undefined ? '' : ` at port number:${port}`;
  out.add(port === undefined ? 'IST0128' : 'IST0129', rule, {
    path,
    message: `DestinationRule ${rule.metadata.name} in namespace ${rule.metadata.namespace} has TLS mode set to ${mode} but no caCertificates are set to validate server identity for host: ${rule.spec.host}${where}`,
    fix: 'Set caCertificates, for public servers e.g. to /etc/ssl/certs/ca-certificates.crt.',
  });
}
