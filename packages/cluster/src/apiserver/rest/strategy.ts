// What differs between kinds in how they are written.

import type { CustomResourceDefinition, KubeObject } from '@lateen/kube/types';
import { DEFINITION_FINALIZER } from '../crd/definition-cleaner.ts';
import type { Resource } from '../registry/resource.ts';

const GENERATION_GROUPS = new Set([
  'apps',
  'batch',
  'networking.k8s.io',
  'policy',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'discovery.k8s.io',
]);

/** Whether metadata.generation counts changes of the desired state. */
export const tracksGeneration = (resource: Resource): boolean => resource.custom !== undefined || GENERATION_GROUPS.has(resource.group);

/** The status that a new object starts with; clients cannot set it. `now` is a timestamp. */
export function initialStatus(object: KubeObject, now: string): Record<string, unknown> | undefined {
  if (object.kind === 'CustomResourceDefinition' && object.apiVersion.startsWith('apiextensions.k8s.io/'))
    return definitionStatus(object, now);
  switch (object.apiVersion === 'v1' || object.apiVersion === 'apps/v1' ? object.kind : '') {
    case 'Pod':
      return { phase: 'Pending', qosClass: qosClassOf(object) };
    case 'Namespace':
      return { phase: 'Active' };
    case 'Service':
      return { loadBalancer: {} };
    case 'Deployment':
      return {};
    case 'ReplicaSet':
    case 'StatefulSet':
      return { replicas: 0 };
    case 'DaemonSet':
      return { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    case 'Node':
      return (object['status'] as Record<string, unknown> | undefined) ?? {};
    default:
      return undefined;
  }
}

// A definition is served from the moment it is stored.
function definitionStatus(object: KubeObject, now: string): Record<string, unknown> {
  const { spec } = object as unknown as CustomResourceDefinition;
  const condition = (type: string, reason: string, message: string) => ({ type, status: 'True', lastTransitionTime: now, reason, message });
  return {
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    acceptedNames: structuredClone(spec.names),
    storedVersions: (spec.versions ?? []).filter((version) => version.storage).map((version) => version.name),
  };
}

/** Finalizers that new objects of a kind get. */
export const initialFinalizers = (resource: Resource): string[] =>
  resource.storage === 'customresourcedefinitions.apiextensions.k8s.io' ? [DEFINITION_FINALIZER] : [];

type Resources = { requests?: Record<string, unknown>; limits?: Record<string, unknown> };

function qosClassOf(pod: KubeObject): string {
  const spec = pod['spec'] as { containers?: { resources?: Resources }[]; initContainers?: { resources?: Resources }[] } | undefined;
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map((container) => container.resources ?? {});
  if (all.every(({ requests, limits }) => !Object.keys(requests ?? {}).length && !Object.keys(limits ?? {}).length)) return 'BestEffort';
  const isGuaranteed = all.every(({ requests, limits }) =>
    ['cpu', 'memory'].every((name) => limits?.[name] !== undefined && (requests?.[name] ?? limits[name]) === limits[name]),
  );
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}
