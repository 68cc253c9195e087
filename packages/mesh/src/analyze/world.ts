// The objects under analysis, indexed the way analyzers ask for them.

import {
  type AuthorizationPolicy,
  type DestinationRule,
  type EnvoyFilter,
  type Gateway,
  isWellTyped,
  type KubeObjectLike,
  type RequestAuthentication,
  type ServiceEntry,
  type Sidecar,
  type Telemetry,
  type VirtualService,
} from '@lateen/api';
import { isObject } from '@lateen/base';
import type { KubeObject, PodSpec, Service } from '@lateen/kube/types';

/** An object with the place it was read from. */
export type AnalyzedObject = {
  object: KubeObject;
  source?: {
    file?: string | undefined;
    /** Line the object starts at, from 1. */
    line?: number | undefined;
    /** Line of a field by its path, e.g. ["spec", "http", 0]. */
    lineOf?: ((path: (string | number)[]) => number | undefined) | undefined;
  };
};

/** A pod, or the template of a Deployment that will make pods. */
export type Workload = {
  object: KubeObject;
  kind: 'Pod' | 'Deployment';
  namespace: string;
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  spec: Partial<PodSpec>;
};

type IstioKinds = {
  VirtualService: VirtualService;
  DestinationRule: DestinationRule;
  Gateway: Gateway;
  ServiceEntry: ServiceEntry;
  Sidecar: Sidecar;
  EnvoyFilter: EnvoyFilter;
  AuthorizationPolicy: AuthorizationPolicy;
  RequestAuthentication: RequestAuthentication;
  Telemetry: Telemetry;
};

const GROUPS: Record<keyof IstioKinds, string> = {
  VirtualService: 'networking.istio.io',
  DestinationRule: 'networking.istio.io',
  Gateway: 'networking.istio.io',
  ServiceEntry: 'networking.istio.io',
  Sidecar: 'networking.istio.io',
  EnvoyFilter: 'networking.istio.io',
  AuthorizationPolicy: 'security.istio.io',
  RequestAuthentication: 'security.istio.io',
  Telemetry: 'telemetry.istio.io',
};

/** Namespaces of Kubernetes itself. */
const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage'];
const CLUSTER_SCOPED = [
  'Namespace',
  'Node',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'CustomResourceDefinition',
  'GatewayClass',
];

export type WorldOptions = { defaultNamespace: string; rootNamespace: string };

export class World {
  readonly rootNamespace: string;
  readonly objects: readonly AnalyzedObject[];
  readonly workloads: readonly Workload[];
  /** Pods, and what Deployments without a known pod would make. */
  readonly pods: readonly Workload[];
  readonly services: readonly Service[];
  readonly #byKind = new Map<string, KubeObject[]>();
  readonly #istio = new Map<string, readonly unknown[]>();
  readonly #namespaces = new Map<string, KubeObject>();

  constructor(objects: readonly AnalyzedObject[], { defaultNamespace, rootNamespace }: WorldOptions) {
    this.rootNamespace = rootNamespace;
    this.objects = objects.map((entry) => ({ ...entry, object: withNamespace(entry.object, defaultNamespace) }));
    for (const { object } of this.objects) {
      const key = `${object.apiVersion.split('/').length > 1 ? object.apiVersion.split('/')[0] : ''}/${object.kind}`;
      const list = this.#byKind.get(key);
      if (list) list.push(object);
      else this.#byKind.set(key, [object]);
    }
    for (const namespace of this.all('', 'Namespace')) this.#namespaces.set(namespace.metadata.name, namespace);
    this.services = this.all('', 'Service').filter(isService);
    const pods = this.all('', 'Pod').map(podOf);
    const deployments = this.all('apps', 'Deployment').map(deploymentOf);
    this.workloads = [...pods, ...deployments];
    this.pods = [...pods, ...withoutPods(deployments, pods)];
  }

  /** Objects of a kind whatever their version; `group` is empty for core. */
  all(group: string, kind: string): readonly KubeObject[] {
    return this.#byKind.get(`${group}/${kind}`) ?? [];
  }

  /** Istio objects of a kind whose types fit; the others have schema errors already. */
  istio<K extends keyof IstioKinds>(kind: K): readonly IstioKinds[K][] {
    const known = this.#istio.get(kind);
    if (known) return known as readonly IstioKinds[K][];
    const objects = this.all(GROUPS[kind], kind)
      .filter((object) => isWellTyped(object as KubeObjectLike))
      .map((object) => ({ ...object, spec: object.spec ?? {} }) as unknown as IstioKinds[K]);
    this.#istio.set(kind, objects);
    return objects;
  }

  get hasNamespaces(): boolean {
    return this.#namespaces.size > 0;
  }

  get namespaceNames(): string[] {
    return [...this.#namespaces.keys()];
  }

  namespaceLabels(name: string): Record<string, string> {
    return stringsOf(this.#namespaces.get(name)?.metadata.labels);
  }

  isSystemNamespace(name: string): boolean {
    return SYSTEM_NAMESPACES.includes(name) || name === this.rootNamespace;
  }
}

function withoutPods(deployments: Workload[], pods: Workload[]): Workload[] {
  const byNamespace = Map.groupBy(pods, ({ namespace }) => namespace);
  const carries = (pod: Workload, labels: Record<string, string>): boolean =>
    Object.entries(labels).every(([key, value]) => pod.labels[key] === value);
  return deployments.filter(({ namespace, labels }) => !byNamespace.get(namespace)?.some((pod) => carries(pod, labels)));
}

function withNamespace(object: KubeObject, defaultNamespace: string): KubeObject {
  const metadata = isObject(object.metadata) ? object.metadata : { name: '' };
  if (CLUSTER_SCOPED.includes(object.kind) || metadata.namespace) return { ...object, metadata };
  return { ...object, metadata: { ...metadata, namespace: defaultNamespace } };
}

const isService = (object: KubeObject): object is Service & KubeObject => isObject(object.spec);

/** Only the string values of a map; files can hold anything. */
export function stringsOf(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function podOf(object: KubeObject): Workload {
  const { metadata } = object;
  return {
    object,
    kind: 'Pod',
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    labels: stringsOf(metadata.labels),
    annotations: stringsOf(metadata.annotations),
    spec: podSpecOf(object.spec),
  };
}

function deploymentOf(object: KubeObject): Workload {
  const template = isObject(object.spec) && isObject(object.spec.template) ? object.spec.template : {};
  const metadata = isObject(template.metadata) ? template.metadata : {};
  return {
    object,
    kind: 'Deployment',
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
    labels: stringsOf(metadata.labels),
    annotations: stringsOf(metadata.annotations),
    spec: podSpecOf(template.spec),
  };
}

function podSpecOf(spec: unknown): Partial<PodSpec> {
  if (!isObject(spec)) return {};
  const containers = (value: unknown): PodSpec['containers'] =>
    (Array.isArray(value) ? value.filter(isObject) : []) as PodSpec['containers'];
  return { ...(spec as Partial<PodSpec>), containers: containers(spec.containers), initContainers: containers(spec.initContainers) };
}
