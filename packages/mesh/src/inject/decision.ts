// Whether a pod is injected, and why. Two steps, as in Istio: the selectors of the webhook configuration look at the labels of
// namespace and pod; then the injector looks at the pod itself.

import { compileLabelSelector, labelSelectorMatches } from '@lateen/kube/selector';
import type { LabelSelector, PodSpec, TemplateMeta } from '@lateen/kube/types';
import type { InjectConfig } from './config.ts';

/** Stable; tools may match on it. */
export type DecisionCode =
  | 'HOST_NETWORK'
  | 'IGNORED_NAMESPACE'
  | 'NAMESPACE_DISABLED'
  | 'NAMESPACE_NOT_LABELLED'
  | 'OTHER_REVISION'
  | 'NAMESPACE_ENABLED'
  | 'POD_ENABLED'
  | 'POD_DISABLED'
  | 'NEVER_INJECT_SELECTOR'
  | 'ALWAYS_INJECT_SELECTOR'
  | 'POLICY_ENABLED'
  | 'POLICY_DISABLED';

export type Decision = { inject: boolean; code: DecisionCode; reason: string };

export type NamespaceMeta = { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };

const IGNORED_NAMESPACES = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);
const INJECT = 'sidecar.istio.io/inject';
const REVISION = 'istio.io/rev';
const INJECTION = 'istio-injection';

const yes = (code: DecisionCode, reason: string): Decision => ({ inject: true, code, reason });
const no = (code: DecisionCode, reason: string): Decision => ({ inject: false, code, reason });

/** The webhook's view: may this namespace's pod come to the injector of this revision at all? */
export function decideByLabels(namespace: NamespaceMeta, podLabels: Record<string, string>, config: InjectConfig): Decision {
  const labels = namespace.labels ?? {};
  const revision = config.revision || 'default';
  const isOurs = (name: string | undefined): boolean => name !== undefined && (name === revision || config.tags.includes(name));
  const isDefault = isOurs('default');
  const podSwitch = podLabels[INJECT];
  if (podSwitch === 'false') return no('POD_DISABLED', `the pod label ${INJECT} is "false"`);
  // istio-injection stands above istio.io/rev, on the namespace and on the pod.
  if (labels[INJECTION] !== undefined) {
    if (labels[INJECTION] !== 'enabled')
      return no('NAMESPACE_DISABLED', `namespace ${namespace.name} has ${INJECTION}=${labels[INJECTION]}`);
    if (!isDefault) return no('OTHER_REVISION', `${INJECTION}=enabled selects the default revision, this is ${revision}`);
    return yes('NAMESPACE_ENABLED', `namespace ${namespace.name} has ${INJECTION}=enabled`);
  }
  if (labels[REVISION] !== undefined) {
    return isOurs(labels[REVISION])
      ? yes('NAMESPACE_ENABLED', `namespace ${namespace.name} has ${REVISION}=${labels[REVISION]}`)
      : no('OTHER_REVISION', `namespace ${namespace.name} selects revision ${labels[REVISION]}, this is ${revision}`);
  }
  if (podLabels[REVISION] !== undefined) {
    return isOurs(podLabels[REVISION])
      ? yes('POD_ENABLED', `the pod has ${REVISION}=${podLabels[REVISION]}`)
      : no('OTHER_REVISION', `the pod selects revision ${podLabels[REVISION]}, this is ${revision}`);
  }
  if (isDefault && podSwitch === 'true') return yes('POD_ENABLED', `the pod label ${INJECT} is "true"`);
  if (isDefault && config.enableNamespacesByDefault) return yes('NAMESPACE_ENABLED', 'namespaces are enabled by default');
  return no('NAMESPACE_NOT_LABELLED', `namespace ${namespace.name} has neither ${INJECTION}=enabled nor ${REVISION}`);
}

/** The injector's view of the pod itself. */
export function decideByPod(
  metadata: TemplateMeta,
  spec: PodSpec,
  config: Pick<InjectConfig, 'policy' | 'neverInjectSelector' | 'alwaysInjectSelector'>,
): Decision {
  if (spec.hostNetwork) return no('HOST_NETWORK', 'the pod uses the host network, whose traffic must not be captured');
  if (IGNORED_NAMESPACES.has(metadata.namespace ?? '')) return no('IGNORED_NAMESPACE', `namespace ${metadata.namespace} is never injected`);
  const labels = metadata.labels ?? {};
  // The label is the newer interface and wins over the annotation.
  const source = Object.hasOwn(labels, INJECT) ? 'label' : 'annotation';
  const value = (source === 'label' ? labels[INJECT] : metadata.annotations?.[INJECT]) ?? '';
  if (['y', 'yes', 'true', 'on'].includes(value.toLowerCase())) return yes('POD_ENABLED', `the pod ${source} ${INJECT} is "${value}"`);
  if (value !== '') return no('POD_DISABLED', `the pod ${source} ${INJECT} is "${value}"`);
  if (matchesAny(config.neverInjectSelector, labels)) return no('NEVER_INJECT_SELECTOR', 'the pod matches neverInjectSelector');
  if (matchesAny(config.alwaysInjectSelector, labels)) return yes('ALWAYS_INJECT_SELECTOR', 'the pod matches alwaysInjectSelector');
  return config.policy === 'enabled'
    ? yes('POLICY_ENABLED', 'the injection policy is enabled')
    : no('POLICY_DISABLED', `the injection policy is disabled and the pod does not set ${INJECT}`);
}

// An empty selector selects nothing here, unlike elsewhere in Kubernetes.
function matchesAny(selectors: readonly LabelSelector[], labels: Record<string, string>): boolean {
  return selectors.some((selector) => compileLabelSelector(selector).length > 0 && labelSelectorMatches(selector, labels));
}
