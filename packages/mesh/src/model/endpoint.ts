// Workloads and the endpoints they give to services.

export type Locality = { region: string; zone: string; subzone: string };

export type Workload = {
  namespace: string;
  /** Pod or WorkloadEntry name. */
  name: string;
  address: string;
  labels: Readonly<Record<string, string>>;
  serviceAccount: string;
  /** The owner: the Deployment's name rather than the ReplicaSet's. */
  workloadName: string;
  nodeName: string;
  locality: Locality;
  /** Container ports by name, for a Service's named targetPort. */
  namedPorts: Readonly<Record<string, number>>;
  /** `istio` when the workload's proxy accepts mesh mTLS, from label security.istio.io/tlsMode. */
  tlsMode: 'istio' | 'disabled';
  network: string;
};

export type MeshEndpoint = {
  /** The Service port's name this endpoint serves. */
  portName: string;
  address: string;
  port: number;
  /** Pod hostname for StatefulSet DNS, or empty. */
  hostname: string;
  weight: number;
  workload: Workload;
};

export const NO_LOCALITY: Locality = { region: '', zone: '', subzone: '' };

/** Istio's "canonical service" of a workload: label, else app labels, else the workload's name. */
export function canonicalName(workload: Pick<Workload, 'labels' | 'workloadName'>): string {
  const { labels } = workload;
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workload.workloadName;
}

/** Istio's "canonical revision": label, else version labels, else "latest". */
export function canonicalRevision(workload: Pick<Workload, 'labels'>): string {
  const { labels } = workload;
  return labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels['version'] ?? 'latest';
}
