// The injector: a pod and its namespace in, the pod with its sidecar (and the patch that leads there) out. Pure.

import { applyStrategicMergePatch, createJsonPatch, type JsonPatchOperation } from '@lateen/kube/patch';
import type { Container, Namespace, Pod, PodSpec } from '@lateen/kube/types';
import { checkAnnotations, parseGoBool } from './annotations.ts';
import type { InjectConfig } from './config.ts';
import { type Decision, decideByLabels, decideByPod } from './decision.ts';
import { adjustCaptureUser, findContainer, findSidecar, reapplyOverrides, reinsertOverrides } from './overrides.ts';
import { rewriteProbes } from './probes.ts';
import { mergePrometheus, prometheusPortOf, withoutPrometheusAnnotations } from './prometheus.ts';
import { proxyConfigOf, statusPortOf } from './proxy-config.ts';
import { proxyImagesOf } from './proxy-image.ts';
import { formatStatus, parseStatus, STATUS } from './status.ts';
import type { TemplateContext, Workload } from './templates/context.ts';
import { renderTemplate } from './templates/render.ts';
import { type Values, valueAt } from './values.ts';
import { workloadOf } from './workload.ts';

export type InjectPodInput = {
  pod: Pod;
  namespace: Namespace;
  config: InjectConfig;
};

export type InjectPodResult = {
  decision: Decision;
  /** Present when injected. */
  patched?: Pod;
  patch?: JsonPatchOperation[];
};

/** Decides and, if so, injects. @throws CodedError LAT23xx for a wrong annotation, template or name of a template */
export function injectPod({ pod: given, namespace, config }: InjectPodInput): InjectPodResult {
  const pod = completePod(given, namespace.metadata.name);
  const byLabels = decideByLabels(namespace.metadata, pod.metadata.labels ?? {}, config);
  if (!byLabels.inject) return { decision: byLabels };
  const byPod = decideByPod(pod.metadata, pod.spec, config);
  if (!byPod.inject) return { decision: byPod };
  const workload = workloadOf(pod);
  const patched = mutatePod({ pod, workload, namespace, config });
  return {
    decision: byPod.code === 'POLICY_ENABLED' ? byLabels : byPod,
    patched,
    patch: createJsonPatch(given, withNamespaceOf(patched, given)),
  };
}

// A pod made by a controller arrives without namespace, and the webhook must not add one.
function completePod(pod: Pod, namespace: string): Pod {
  return { ...pod, metadata: { ...pod.metadata, namespace: pod.metadata.namespace || namespace } };
}

function withNamespaceOf(pod: Pod, given: Pod): Pod {
  const { namespace: _, ...metadata } = pod.metadata;
  return { ...pod, metadata: given.metadata.namespace === undefined ? metadata : { ...metadata, namespace: given.metadata.namespace } };
}

export type MutateInput = { pod: Pod; workload: Workload; namespace?: Namespace; config: InjectConfig };

/** Injects without asking whether. The input is not changed. */
export function mutatePod({ pod, workload, namespace, config: given }: MutateInput): Pod {
  const annotations = pod.metadata.annotations ?? {};
  checkAnnotations(annotations);
  const proxyConfig = proxyConfigOf(given.meshConfig, annotations);
  const config = withNetwork(given, pod);
  const stripped = reinsertOverrides(stripPod(pod, config));
  const context: TemplateContext = {
    workload,
    metadata: stripped.metadata,
    spec: stripped.spec,
    proxyConfig,
    config,
    ...proxyImagesOf(config, proxyConfig, annotations),
    ...proxyIds(config, namespace),
  };
  const { merged, template } = runTemplates(pod, context);
  const result = structuredClone(reapplyOverrides(merged, pod, template));
  adjustCaptureUser(result, pod, proxyConfig);
  finish(result, template, { original: pod, context });
  return result;
}

/** The variables that stand above chart values: from the webhook's path, and the pod's network label. */
function withNetwork(config: InjectConfig, pod: Pod): InjectConfig {
  const cluster = config.proxyEnvs['ISTIO_META_CLUSTER_ID'] || String(valueAt(config.values, 'global.multiCluster.clusterName') ?? '');
  const fromSettings = config.proxyEnvs['ISTIO_META_NETWORK'] || String(valueAt(config.values, 'global.network') ?? '');
  const network = pod.metadata.labels?.['topology.istio.io/network'] ?? fromSettings;
  const proxyEnvs = {
    ...config.proxyEnvs,
    ...(cluster === '' ? {} : { ISTIO_META_CLUSTER_ID: cluster }),
    ...(network === '' ? {} : { ISTIO_META_NETWORK: network }),
  };
  return { ...config, proxyEnvs };
}

/** The pod without what an earlier injection added. */
function stripPod(pod: Pod, config: InjectConfig): Pod {
  const status = parseStatus(pod.metadata.annotations);
  if (!status) return pod;
  const statusPort = statusPortOf(defaultConfigOf(config));
  let annotations = { ...pod.metadata.annotations };
  if (prometheusPortOf(annotations) === String(statusPort)) annotations = withoutPrometheusAnnotations(annotations);
  delete annotations[STATUS];
  const initContainers = pod.spec.initContainers?.filter(({ name }) => !status.initContainers.includes(name));
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    spec: {
      ...pod.spec,
      containers: pod.spec.containers.filter(({ name }) => !status.containers.includes(name)),
      ...(initContainers ? { initContainers } : {}),
    },
  };
}

const defaultConfigOf = ({ meshConfig }: InjectConfig): Values => (meshConfig['defaultConfig'] ?? {}) as Values;

// OpenShift gives each namespace a range of user and group ids; the proxy takes the last of them.
function proxyIds(config: InjectConfig, namespace: Namespace | undefined): { proxyUid: number; proxyGid: number } {
  const lastOf = (annotation: string): number => {
    const range = config.isOpenShift ? namespace?.metadata.annotations?.[annotation]?.split(',')[0] : undefined;
    const [start, size] = (range ?? '').split(/[/-]/).map(Number);
    if (!start || !size) return 1337;
    return range?.includes('/') ? start + size - 1 : size;
  };
  return { proxyUid: lastOf('openshift.io/sa.scc.uid-range'), proxyGid: lastOf('openshift.io/sa.scc.supplemental-groups') };
}

function runTemplates(pod: Pod, context: TemplateContext): { merged: Pod; template: Partial<PodSpec> } {
  let merged = pod;
  let template: unknown = {};
  for (const name of templateNames(pod, context.config)) {
    const overlay = renderTemplate(name, context);
    template = applyStrategicMergePatch(template, overlay);
    // A native sidecar's customisation still stands in `containers`, where people write it.
    const isNative = findContainer((template as Pod).spec?.initContainers, 'istio-proxy') !== undefined;
    if (isNative) merged = moveToInit(merged);
    merged = applyStrategicMergePatch(merged, overlay) as Pod;
  }
  return { merged, template: (template as Partial<Pod>).spec ?? {} };
}

function templateNames(pod: Pod, config: InjectConfig): string[] {
  const chosen = pod.metadata.annotations?.['inject.istio.io/templates']?.split(',').map((name) => name.trim()) ?? config.defaultTemplates;
  return chosen.flatMap((name) => (Object.hasOwn(config.aliases, name) ? [...(config.aliases[name] ?? [])] : [name]));
}

function moveToInit(pod: Pod): Pod {
  const proxy = findContainer(pod.spec.containers, 'istio-proxy');
  if (!proxy) return pod;
  const containers = pod.spec.containers.filter((container) => container !== proxy);
  return { ...pod, spec: { ...pod.spec, containers, initContainers: [...(pod.spec.initContainers ?? []), proxy] } };
}

/** What no template can say, on the merged pod, in place. The order of the steps is the order of the variables they append. */
function finish(pod: Pod, template: Partial<PodSpec>, { original, context }: { original: Pod; context: TemplateContext }): void {
  const { config } = context;
  const sidecar = findSidecar(pod);
  const statusPort = statusPortOf(defaultConfigOf(config));
  if (sidecar) forceEnv(sidecar, config.proxyEnvs);
  mergePrometheus(pod, sidecar, { meshConfig: config.meshConfig, statusPort });
  const annotations = pod.metadata.annotations ?? {};
  const ownPort = annotations['status.sidecar.istio.io/port'];
  const probePort = ownPort === undefined ? statusPort : Number(ownPort);
  if (sidecar && probePort !== 0 && shouldRewriteProbes(annotations, config)) {
    rewriteProbes(pod, sidecar, { statusPort: probePort, wasInjected: annotations[STATUS] !== undefined });
  }
  const network = config.proxyEnvs['ISTIO_META_NETWORK'];
  pod.metadata.labels = { ...pod.metadata.labels, ...(network === undefined ? {} : { 'topology.istio.io/network': network }) };
  pod.metadata.annotations = { ...annotations, [STATUS]: formatStatus(template, config.revision), ...config.injectedAnnotations };
  orderContainers(pod, { holdsApplication: holdsApplication(original, config) });
}

function forceEnv(sidecar: Container, env: Readonly<Record<string, string>>): void {
  const names = Object.keys(env).sort();
  if (names.length === 0) return;
  sidecar.env = [
    ...(sidecar.env ?? []).filter(({ name }) => !Object.hasOwn(env, name)),
    ...names.map((name) => ({ name, value: env[name] as string })),
  ];
}

function shouldRewriteProbes(annotations: Record<string, string>, config: InjectConfig): boolean {
  return (
    parseGoBool(annotations['sidecar.istio.io/rewriteAppHTTPProbers'] ?? '') ??
    valueAt(config.values, 'sidecarInjectorWebhook.rewriteAppHTTPProbe') === true
  );
}

function holdsApplication(original: Pod, config: InjectConfig): boolean {
  const proxyConfig = proxyConfigOf(config.meshConfig, original.metadata.annotations ?? {});
  return (
    proxyConfig['holdApplicationUntilProxyStarts'] === true ||
    valueAt(config.values, 'global.proxy.holdApplicationUntilProxyStarts') === true
  );
}

/** The proxy last, so that kubectl exec and logs keep meaning the application; first when the application waits for it. */
function orderContainers(pod: Pod, { holdsApplication: isHeld }: { holdsApplication: boolean }): void {
  pod.spec.containers = move(pod.spec.containers, 'istio-proxy', isHeld ? 'first' : 'last');
  let init = pod.spec.initContainers;
  if (!init) return;
  if (findContainer(init, 'istio-proxy')) {
    // Native sidecar: capture, the proxy, then the pod's own, which thus are in the mesh.
    for (const name of ['istio-proxy', 'istio-validation', 'istio-init']) init = move(init, name, 'first');
  } else {
    // Validation first, so that nothing runs unprotected; iptables last, so that other init containers still have a network.
    init = move(move(init, 'istio-validation', 'first'), 'istio-init', 'last');
  }
  pod.spec.initContainers = init;
}

function move(containers: Container[], name: string, where: 'first' | 'last'): Container[] {
  const match = findContainer(containers, name);
  if (!match) return containers;
  const others = containers.filter((container) => container !== match);
  return where === 'first' ? [match, ...others] : [...others, match];
}
