// Sidecars and Telemetries: selectors without pods (IST0101), several for one pod (IST0110, IST0159) or for a whole namespace
// (IST0111, IST0160), Sidecars in ambient namespaces (IST0167), selectors on Kubernetes Gateways (IST0166).

import type { Sidecar, Telemetry } from '@lateen/api';
import type { KubeObject } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { isAmbientNamespace, selectorText, selects } from './selectors.ts';
import type { World } from './world.ts';

type Selecting = { object: Sidecar | Telemetry; selector: Record<string, string> | undefined; targeted: boolean };

type Family = { path: string; plural: string; conflict: string; several: string };

const SIDECARS: Family = { path: 'spec.workloadSelector', plural: 'Sidecars', conflict: 'IST0110', several: 'IST0111' };
const TELEMETRIES: Family = { path: 'spec.selector', plural: 'Telemetries', conflict: 'IST0159', several: 'IST0160' };

export function analyzeSidecarSelectors(world: World, out: Collector): void {
  const isAmbient = ({ metadata }: Sidecar): boolean => isAmbientNamespace(world.namespaceLabels(metadata.namespace ?? ''));
  const sidecars = world.istio('Sidecar');
  const items = sidecars
    .filter((object) => !isAmbient(object))
    .map((object): Selecting => ({ object, selector: object.spec.workloadSelector?.labels, targeted: false }));
  checkFamily(world, out, { family: SIDECARS, items });
  for (const object of sidecars.filter(isAmbient)) {
    out.add('IST0167', object, { path: 'spec', message: 'The policy has no impact: pods in ambient mode have no sidecar.' });
  }
}

export function analyzeTelemetrySelectors(world: World, out: Collector): void {
  const items = world.istio('Telemetry').map(
    (object): Selecting => ({
      object,
      selector: object.spec.selector?.matchLabels,
      targeted: Boolean(object.spec.targetRef ?? object.spec.targetRefs?.length),
    }),
  );
  checkFamily(world, out, { family: TELEMETRIES, items });
}

function checkFamily(world: World, out: Collector, { family, items }: { family: Family; items: Selecting[] }): void {
  const byPod = new Map<string, Selecting[]>();
  const without = new Map<string, Selecting[]>();
  for (const item of items) {
    const namespace = item.object.metadata.namespace ?? '';
    if (item.targeted) continue;
    if (!item.selector || Object.keys(item.selector).length === 0) {
      without.set(namespace, [...(without.get(namespace) ?? []), item]);
      continue;
    }
    const pods = world.pods.filter((pod) => pod.namespace === namespace && selects(item.selector, pod.labels));
    for (const pod of pods) byPod.set(`${pod.namespace}/${pod.name}`, [...(byPod.get(`${pod.namespace}/${pod.name}`) ?? []), item]);
    if (pods.length > 0) continue;
    out.add('IST0101', item.object, {
      path: family.path,
      message: `Referenced selector not found: "${selectorText(item.selector)}"`,
      fix: `No pod of namespace ${namespace} has these labels.`,
    });
  }
  const reported = new Set<string>();
  for (const [pod, selecting] of byPod) {
    const key = selecting.map(({ object }) => `${object.metadata.namespace}/${object.metadata.name}`).join();
    if (selecting.length < 2 || reported.has(key)) continue;
    reported.add(key);
    report(out, { code: family.conflict, selecting, family, text: `select the same workload pod "${pod}"` });
  }
  for (const selecting of without.values()) {
    if (selecting.length > 1) report(out, { code: family.several, selecting, family, text: 'have no workload selector' });
  }
}

type Conflict = { code: string; selecting: Selecting[]; family: Family; text: string };

function report(out: Collector, { code, selecting, family, text }: Conflict): void {
  const names = selecting.map(({ object }) => object.metadata.name).sort();
  for (const { object } of selecting) {
    const message = `The ${family.plural} [${names.join(' ')}] in namespace "${object.metadata.namespace}" ${text}, which can lead to undefined behavior.`;
    out.add(code, object, { path: family.path, message });
  }
}

const POLICIES: [group: string, kind: string][] = [
  ['security.istio.io', 'RequestAuthentication'],
  ['security.istio.io', 'AuthorizationPolicy'],
  ['telemetry.istio.io', 'Telemetry'],
  ['extensions.istio.io', 'WasmPlugin'],
];
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

/** Policies reach the pods of a Kubernetes Gateway by targetRefs, not by selector. */
export function analyzeGatewaySelectors(world: World, out: Collector): void {
  const gatewayPods = world.pods.filter(({ labels }) => labels[GATEWAY_NAME] !== undefined);
  for (const [group, kind] of POLICIES) {
    for (const policy of world.all(group, kind)) {
      const spec = policy.spec as
        | { selector?: { matchLabels?: Record<string, string> }; targetRef?: unknown; targetRefs?: unknown }
        | undefined;
      const labels = spec?.selector?.matchLabels;
      if (!labels || Object.keys(labels).length === 0 || spec.targetRef || spec.targetRefs) continue;
      if (!gatewayPods.some((pod) => inScope(world, policy, pod.namespace) && selects(labels, pod.labels))) continue;
      out.add('IST0166', policy, {
        path: 'spec.selector',
        message: 'Selector has no effect when applied to Kubernetes Gateways.',
        fix: 'Use targetRefs with kind: Gateway.',
      });
    }
  }
}

const inScope = (world: World, { metadata }: KubeObject, namespace: string): boolean =>
  metadata.namespace === namespace || metadata.namespace === world.rootNamespace;
