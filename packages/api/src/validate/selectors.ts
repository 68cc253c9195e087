// Rules of selectors and target references.

import type { Report } from '../findings/report.ts';
import type { NetworkingWorkloadSelector, PolicyTargetReference, WorkloadSelector } from '../schema/shared.ts';

type Targeting = {
  selector?: WorkloadSelector;
  targetRef?: PolicyTargetReference;
  targetRefs?: PolicyTargetReference[];
};

const ALLOWED_TARGETS = [
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
];

function checkLabels(labels: Record<string, string> | undefined, path: string, report: Report): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (key === '') report.error(path, `empty key is not supported in selector: ${JSON.stringify(`=${value}`)}`);
    if (key.includes('*') || value.includes('*'))
      report.error(path, `wildcard is not supported in selector: ${JSON.stringify(`${key}=${value}`)}`);
  }
}

/** A `selector.matchLabels`. */
export function checkWorkloadSelector(selector: WorkloadSelector | undefined, path: string, report: Report): void {
  if (!selector) return;
  checkLabels(selector.matchLabels, `${path}.matchLabels`, report);
  if (Object.keys(selector.matchLabels ?? {}).length === 0) report.warning(path, 'workload selector specified without labels');
}

/** A `workloadSelector.labels`; `kind` starts the warning's sentence. */
export function checkNetworkingSelector(selector: NetworkingWorkloadSelector | undefined, kind: string, report: Report): void {
  if (!selector) return;
  checkLabels(selector.labels, 'spec.workloadSelector.labels', report);
  if (Object.keys(selector.labels ?? {}).length === 0) {
    report.warning(
      'spec.workloadSelector',
      `${kind}: workload selector specified without labels, will be applied to all services in namespace`,
    );
  }
}

function checkTargetRef(ref: PolicyTargetReference, path: string, report: Report): void {
  if (ref.name === '') report.error(`${path}.name`, 'targetRef name must be set');
  if (ref.namespace)
    report.error(`${path}.namespace`, 'targetRef namespace must not be set; cross namespace referencing is not currently supported');
  const target = `${ref.group ?? ''}/${ref.kind ?? ''}`;
  if (!ALLOWED_TARGETS.includes(target))
    report.error(path, `targetRef must be to a Service, ServiceEntry, Gateway or GatewayClass but was ${target}`);
}

/** Selector, targetRef and targetRefs of a policy: valid, and at most one of them. */
export function checkTargeting(spec: Targeting, report: Report): void {
  const set = [spec.selector, spec.targetRef, spec.targetRefs?.length ? spec.targetRefs : undefined].filter((value) => value !== undefined);
  if (set.length > 1) report.error('spec', 'only one of targetRefs or selector can be set');
  checkWorkloadSelector(spec.selector, 'spec.selector', report);
  if (spec.targetRef) checkTargetRef(spec.targetRef, 'spec.targetRef', report);
  spec.targetRefs?.forEach((ref, i) => {
    checkTargetRef(ref, `spec.targetRefs[${i}]`, report);
  });
}
