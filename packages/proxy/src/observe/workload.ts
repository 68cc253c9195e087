// Who stands at an end of a request, as Istio's metrics name it.

import { isObject, type Labels } from '@lateen/base';
import type { NodeIdentity } from '../http/context.ts';
import type { PeerMetadata } from '../http/request-record.ts';
import type { EndpointRuntime } from '../runtime/index.ts';

export const UNKNOWN = 'unknown';

export type Workload = {
  workload: string;
  namespace: string;
  app: string;
  version: string;
  canonicalService: string;
  canonicalRevision: string;
  cluster: string;
};

export const UNKNOWN_WORKLOAD: Workload = {
  workload: UNKNOWN,
  namespace: UNKNOWN,
  app: UNKNOWN,
  version: UNKNOWN,
  canonicalService: UNKNOWN,
  canonicalRevision: UNKNOWN,
  cluster: UNKNOWN,
};

type Known = { workload: string; namespace: string; cluster: string; labels: Readonly<Record<string, unknown>> };

function fromLabels({ workload, namespace, cluster, labels }: Known): Workload {
  const label = (...names: string[]): string => {
    for (const name of names) {
      const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
      if (typeof value === 'string' && value !== '') return value;
    }
    return '';
  };
  const canonicalService = label('service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app') || workload || UNKNOWN;
  return {
    workload: workload || UNKNOWN,
    namespace: namespace || UNKNOWN,
    app: label('app', 'app.kubernetes.io/name') || canonicalService,
    version: label('version', 'app.kubernetes.io/version') || UNKNOWN,
    canonicalService,
    canonicalRevision: label('service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version') || 'latest',
    cluster: cluster || UNKNOWN,
  };
}

/** The proxy's own workload, from node metadata. */
export function localWorkload(node: NodeIdentity): Workload {
  const text = (key: string): string => {
    const value = node.metadata[key];
    return typeof value === 'string' ? value : '';
  };
  const labels = isObject(node.metadata.LABELS) ? node.metadata.LABELS : {};
  return fromLabels({ workload: text('WORKLOAD_NAME'), namespace: text('NAMESPACE'), cluster: text('CLUSTER_ID'), labels });
}

/** The other end: what it told, else what the control plane says of its endpoint, else unknown. */
export function peerWorkload(peer: PeerMetadata | undefined, endpoint?: EndpointRuntime): Workload {
  if (peer?.workloadName || peer?.namespace) {
    return fromLabels({ workload: peer.workloadName, namespace: peer.namespace, cluster: peer.clusterId, labels: peer.labels });
  }
  return endpoint?.istioWorkload === undefined ? UNKNOWN_WORKLOAD : fromEndpoint(endpoint.istioWorkload);
}

/** `workload;namespace;canonical-name;canonical-revision;cluster`, as Istio puts it into endpoint metadata. */
function fromEndpoint(text: string): Workload {
  const [workload = '', namespace = '', canonicalService = '', canonicalRevision = '', cluster = ''] = text.split(';');
  return {
    workload: workload || UNKNOWN,
    namespace: namespace || UNKNOWN,
    app: canonicalService || UNKNOWN,
    version: canonicalRevision || UNKNOWN,
    canonicalService: canonicalService || UNKNOWN,
    canonicalRevision: canonicalRevision || 'latest',
    cluster: cluster || UNKNOWN,
  };
}

export function workloadLabels(end: 'source' | 'destination', workload: Workload, principal: string): Labels {
  return {
    [`${end}_workload`]: workload.workload,
    [`${end}_workload_namespace`]: workload.namespace,
    [`${end}_principal`]: principal || UNKNOWN,
    [`${end}_app`]: workload.app,
    [`${end}_version`]: workload.version,
    [`${end}_canonical_service`]: workload.canonicalService,
    [`${end}_canonical_revision`]: workload.canonicalRevision,
    [`${end}_cluster`]: workload.cluster,
  };
}
