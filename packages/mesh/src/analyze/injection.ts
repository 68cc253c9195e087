// Injection: namespaces that say nothing (IST0102, IST0148) or two things (IST0123), pods without sidecar (IST0103), image "auto"
// where nothing is injected (IST0146, IST0147), sidecars of another image (IST0158).

import { isObject } from '@lateen/base';
import type { LabelSelector, MutatingWebhookConfiguration } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { injectionWish, isInjectedNamespace, sidecarOf } from './selectors.ts';
import { stringsOf, type Workload, type World } from './world.ts';

export function analyzeInjection(world: World, out: Collector): void {
  const byDefault = injectsByDefault(world);
  const injected = new Set<string>();
  for (const namespace of world.all('', 'Namespace')) {
    const { name } = namespace.metadata;
    if (world.isSystemNamespace(name)) continue;
    const labels = stringsOf(namespace.metadata.labels);
    const label = labels['istio-injection'];
    const isAmbient = labels['istio.io/dataplane-mode'] === 'ambient';
    const kinds = [
      label !== undefined && label !== 'disabled' && 'istio-injection',
      labels['istio.io/rev'] !== undefined && 'istio.io/rev',
      isAmbient && 'istio.io/dataplane-mode',
    ];
    const set = kinds.filter((kind) => kind !== false);
    if (set.length > 1) {
      out.add('IST0123', namespace, {
        path: 'metadata.labels',
        message: `The namespace has more than one type of injection labels [${set.join(' ')}], which may lead to undefined behavior. Make sure only one injection label exists.`,
      });
      continue;
    }
    if (isInjectedNamespace(labels)) injected.add(name);
    else if (isAmbient || label === 'disabled') continue;
    else if (byDefault && label === undefined) {
      injected.add(name);
      out.add('IST0148', namespace, {
        message: 'is enabled for Istio injection, as Istio is installed with enableNamespacesByDefault as true.',
      });
    } else {
      out.add('IST0102', namespace, {
        path: 'metadata.labels',
        message: `The namespace is not enabled for Istio injection. Run 'kubectl label namespace ${name} istio-injection=enabled' to enable it, or 'kubectl label namespace ${name} istio-injection=disabled' to explicitly mark it as not needing injection.`,
      });
    }
  }
  for (const workload of world.workloads) {
    const skip =
      workload.kind !== 'Pod' || !injected.has(workload.namespace) || injectionWish(workload) === false || workload.spec.hostNetwork;
    if (skip || sidecarOf(workload)) continue;
    out.add('IST0103', workload.object, {
      message: `The pod ${workload.namespace}/${workload.name} is missing the Istio proxy. This can often be resolved by restarting or redeploying the workload.`,
    });
  }
}

const INJECTOR = 'istio-sidecar-injector';

/** Settings of the injectors, from their ConfigMaps; the name ends with the revision. */
function injectorValues(world: World): { revision: string; values: Record<string, unknown> }[] {
  return world
    .all('', 'ConfigMap')
    .filter(({ metadata }) => metadata.name === INJECTOR || metadata.name.startsWith(`${INJECTOR}-`))
    .flatMap(({ metadata, data }) => {
      const text = isObject(data) ? data.values : undefined;
      if (typeof text !== 'string' || text.length > 1024 * 1024) return [];
      try {
        const values: unknown = JSON.parse(text);
        return isObject(values) ? [{ revision: metadata.name.slice(INJECTOR.length + 1) || 'default', values }] : [];
      } catch {
        return [];
      }
    });
}

const injectsByDefault = (world: World): boolean =>
  injectorValues(world).some(
    ({ values }) => isObject(values.sidecarInjectorWebhook) && values.sidecarInjectorWebhook.enableNamespacesByDefault === true,
  );

/** The injector's image by revision ("default" without one). */
function injectorImages(world: World): Map<string, string> {
  const images = new Map<string, string>();
  for (const { revision, values } of injectorValues(world)) {
    const global = isObject(values.global) ? values.global : {};
    const proxy = isObject(global.proxy) ? global.proxy : {};
    const image = typeof proxy.image === 'string' ? proxy.image : '';
    if (image) images.set(revision, image.includes('/') ? image : `${String(global.hub ?? '')}/${image}:${String(global.tag ?? '')}`);
  }
  return images;
}

export function analyzeProxyImages(world: World, out: Collector): void {
  const images = injectorImages(world);
  for (const namespace of world.all('', 'Namespace')) {
    const labels = stringsOf(namespace.metadata.labels);
    if (!isInjectedNamespace(labels)) continue;
    // The injector of an unknown revision is elsewhere, so its image is not known here.
    const expected = images.get(labels['istio.io/rev'] ?? 'default');
    if (!expected) continue;
    const pods = world.workloads.filter(
      (pod) =>
        pod.kind === 'Pod' && pod.namespace === namespace.metadata.name && injectionWish(pod) !== false && hasOtherImage(pod, expected),
    );
    if (pods.length === 0) continue;
    out.add('IST0158', namespace, {
      message: `The Istio proxy images of the pods running in the namespace do not match the image defined in the injection configuration (pod names: [${pods.map(({ name }) => name).join(' ')}]). This often happens after upgrading the Istio control-plane and can be fixed by redeploying the pods.`,
    });
  }
}

const hasOtherImage = (pod: Workload, expected: string): boolean => {
  const image = pod.annotations['sidecar.istio.io/proxyImage'] ? undefined : sidecarOf(pod)?.image;
  return image !== undefined && withoutVariant(image) !== withoutVariant(expected);
};

/** Mesh, namespace and pod may each choose the variant of an image; it says nothing about the version. */
const withoutVariant = (image: string): string => image.replace(/-(distroless|debug|slim)$/, '');

/** Istio's injector without a configuration at hand. */
const DEFAULT_SELECTORS: { namespaceSelector?: LabelSelector; objectSelector?: LabelSelector }[] = [
  { namespaceSelector: { matchLabels: { 'istio-injection': 'enabled' } } },
  { namespaceSelector: { matchExpressions: [{ key: 'istio.io/rev', operator: 'Exists' }] } },
  { objectSelector: { matchLabels: { 'sidecar.istio.io/inject': 'true' } } },
  { objectSelector: { matchExpressions: [{ key: 'istio.io/rev', operator: 'Exists' }] } },
];

export function analyzeAutoImages(world: World, out: Collector): void {
  const configurations = world.all(
    'admissionregistration.k8s.io',
    'MutatingWebhookConfiguration',
  ) as unknown as MutatingWebhookConfiguration[];
  const webhooks = configurations.flatMap(({ webhooks: all }) => all ?? []).filter(({ name }) => name?.endsWith('istio.io'));
  const selectors = webhooks.length > 0 ? webhooks : DEFAULT_SELECTORS;
  for (const workload of world.workloads) {
    if (sidecarOf(workload)?.image !== 'auto') continue;
    // A pod that runs was not injected, or it would have an image.
    const isTargeted = selectors.some(
      ({ namespaceSelector, objectSelector }) =>
        matchesSelector(namespaceSelector, world.namespaceLabels(workload.namespace)) && matchesSelector(objectSelector, workload.labels),
    );
    if (isTargeted) continue;
    out.add(workload.kind === 'Pod' ? 'IST0147' : 'IST0146', workload.object, {
      message: `${workload.kind} ${workload.name} contains \`image: auto\` but does not match any Istio injection webhook selectors.`,
    });
  }
}

/** Kubernetes' label selector; absent or empty matches everything. */
export function matchesSelector(selector: LabelSelector | undefined, labels: Record<string, string>): boolean {
  const exact = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return (
    exact &&
    (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      const isIn = value !== undefined && values.includes(value);
      return operator === 'In' ? isIn : !isIn;
    })
  );
}
