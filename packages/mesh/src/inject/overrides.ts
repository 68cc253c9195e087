// A pod may bring its own istio-proxy (or istio-init) container to customise what is injected: the template is merged over the
// pod, then the user's container is laid over the result once more. The annotation proxy.istio.io/overrides keeps the user's
// part, so that injecting again comes to the same end.

import { isObject } from '@lateen/base';
import { applyStrategicMergePatch } from '@lateen/kube/patch';
import type { Container, Pod, PodSpec } from '@lateen/kube/types';
import { goJson, normalizePodSpec } from './go-json.ts';
import { interceptionModeOf } from './proxy-config.ts';
import { parseStatus } from './status.ts';
import type { Values } from './values.ts';

const OVERRIDES = 'proxy.istio.io/overrides';
/** An image of this name means: the injected one. */
const AUTO_IMAGE = 'auto';
const OWN_CONTAINERS = new Set(['istio-proxy', 'istio-init', 'istio-validation']);

type Containers = { containers: Container[]; initContainers: Container[] };

export const findContainer = (containers: Container[] | undefined, name: string): Container | undefined =>
  containers?.find((container) => container.name === name);

export const findSidecar = (pod: Pod): Container | undefined =>
  findContainer(pod.spec.containers, 'istio-proxy') ?? findContainer(pod.spec.initContainers, 'istio-proxy');

function parseOverrides(pod: Pod): Containers {
  let parsed: unknown;
  try {
    parsed = JSON.parse(pod.metadata.annotations?.[OVERRIDES] ?? '{}');
  } catch {
    parsed = {};
  }
  const list = (key: string): Container[] => {
    const items = isObject(parsed) ? parsed[key] : undefined;
    return Array.isArray(items) ? (items.filter((item) => isObject(item) && typeof item['name'] === 'string') as Container[]) : [];
  };
  return { containers: list('containers'), initContainers: list('initContainers') };
}

/** Puts the user's containers back into a pod whose injected ones were taken out. */
export function reinsertOverrides(pod: Pod): Pod {
  const { containers, initContainers } = parseOverrides(pod);
  const missing = (from: Container[], existing: Container[] | undefined) => from.filter(({ name }) => !findContainer(existing, name));
  const init = [...(pod.spec.initContainers ?? []), ...missing(initContainers, pod.spec.initContainers)];
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: [...pod.spec.containers, ...missing(containers, pod.spec.containers)],
      ...(init.length > 0 ? { initContainers: init } : {}),
    },
  };
}

/** Lays the user's versions of injected containers over the merged pod. */
export function reapplyOverrides(merged: Pod, original: Pod, template: Partial<PodSpec>): Pod {
  const kept = parseOverrides(original);
  const status = parseStatus(original.metadata.annotations);
  const applied: Containers = { containers: [], initContainers: [] };
  let pod = merged;
  for (const field of ['containers', 'initContainers'] as const) {
    for (const { name } of template[field] ?? []) {
      const fromKept = findContainer([...kept[field], ...kept.containers], name);
      // Injected before: the new template wins over the old result, save for what the user had asked of the mesh's own containers.
      if (status?.[field].includes(name) && !(fromKept && OWN_CONTAINERS.has(name))) continue;
      const fromPod =
        findContainer(original.spec[field], name) ??
        (field === 'initContainers' ? findContainer(original.spec.containers, name) : undefined);
      const user = fromKept ?? fromPod;
      if (!user) continue;
      const { image, ...rest } = user;
      const overlay: Container = image === undefined || image === AUTO_IMAGE ? rest : user;
      applied[field].push(overlay);
      pod = applyStrategicMergePatch(pod, { spec: { [field]: [overlay] } }) as Pod;
    }
  }
  if (status || (applied.containers.length === 0 && applied.initContainers.length === 0)) return pod;
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, [OVERRIDES]: formatOverrides(applied) } } };
}

function formatOverrides(applied: Containers): string {
  const { containers, initContainers = [] } = normalizePodSpec(applied);
  return goJson({ ...(containers.length > 0 ? { containers } : {}), ...(initContainers.length > 0 ? { initContainers } : {}) });
}

/**
 * When the user's istio-proxy runs as another user, the capture rules must exempt that one. Changes `pod` in place; TPROXY needs
 * root and keeps it.
 */
export function adjustCaptureUser(pod: Pod, original: Pod, proxyConfig: Values): void {
  const user = findSidecar(original)?.securityContext;
  if (!user || (user.runAsUser === undefined && user.runAsGroup === undefined)) return;
  const capture = findContainer(pod.spec.initContainers, 'istio-init') ?? findContainer(pod.spec.initContainers, 'istio-validation');
  if (!capture) return;
  const mode = pod.metadata.annotations?.['sidecar.istio.io/interceptionMode'];
  const isTproxy = mode === 'TPROXY' || interceptionModeOf(proxyConfig) === 'TPROXY';
  const sidecar = findSidecar(pod);
  if (isTproxy && user.runAsUser !== undefined && sidecar?.securityContext)
    sidecar.securityContext = { ...sidecar.securityContext, runAsUser: 0 };
  if (!isTproxy && capture.name === 'istio-validation') {
    capture.securityContext = {
      ...capture.securityContext,
      ...(user.runAsUser === undefined ? {} : { runAsUser: user.runAsUser }),
      ...(user.runAsGroup === undefined ? {} : { runAsGroup: user.runAsGroup }),
    };
  }
  // The owner match of iptables must never exempt root.
  const flag = capture.args?.indexOf('-u') ?? -1;
  if (capture.args && flag >= 0 && user.runAsUser) capture.args = capture.args.with(flag + 1, String(user.runAsUser));
}
