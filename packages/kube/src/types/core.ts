// core/v1 apart from Pod.

import type { IntOrString, KubeObject, ObjectMeta, Quantity, TypeMeta } from './meta.ts';
import type { LocalObjectReference } from './pod.ts';

export type ObjectReference = {
  apiVersion?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  resourceVersion?: string;
  fieldPath?: string;
};

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';

export type ServicePort = {
  name?: string;
  protocol?: 'TCP' | 'UDP' | 'SCTP';
  appProtocol?: string;
  port: number;
  targetPort?: IntOrString;
  nodePort?: number;
};

export type ServiceSpec = {
  ports?: ServicePort[];
  selector?: Record<string, string>;
  /** "None" for headless. */
  clusterIP?: string;
  clusterIPs?: string[];
  type?: ServiceType;
  externalIPs?: string[];
  sessionAffinity?: 'None' | 'ClientIP';
  sessionAffinityConfig?: { clientIP?: { timeoutSeconds?: number } };
  loadBalancerIP?: string;
  loadBalancerSourceRanges?: string[];
  loadBalancerClass?: string;
  externalName?: string;
  externalTrafficPolicy?: 'Cluster' | 'Local';
  internalTrafficPolicy?: 'Cluster' | 'Local';
  healthCheckNodePort?: number;
  publishNotReadyAddresses?: boolean;
  ipFamilies?: string[];
  ipFamilyPolicy?: string;
  allocateLoadBalancerNodePorts?: boolean;
  trafficDistribution?: string;
};

export type LoadBalancerIngress = {
  ip?: string;
  ipMode?: string;
  hostname?: string;
  ports?: { port: number; protocol: string; error?: string }[];
};
export type ServiceStatus = { loadBalancer?: { ingress?: LoadBalancerIngress[] }; conditions?: Record<string, unknown>[] };
export type Service = TypeMeta & { metadata: ObjectMeta; spec: ServiceSpec; status?: ServiceStatus };

export type EndpointAddress = { ip: string; hostname?: string; nodeName?: string; targetRef?: ObjectReference };
export type CoreEndpointPort = { name?: string; port: number; protocol?: 'TCP' | 'UDP' | 'SCTP'; appProtocol?: string };
export type EndpointSubset = { addresses?: EndpointAddress[]; notReadyAddresses?: EndpointAddress[]; ports?: CoreEndpointPort[] };
export type Endpoints = TypeMeta & { metadata: ObjectMeta; subsets?: EndpointSubset[] };

export type NodeAddress = { type: string; address: string };
export type NodeCondition = {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  lastHeartbeatTime?: string;
  lastTransitionTime?: string;
  reason?: string;
  message?: string;
};
export type NodeSystemInfo = {
  machineID: string;
  systemUUID: string;
  bootID: string;
  kernelVersion: string;
  osImage: string;
  containerRuntimeVersion: string;
  kubeletVersion: string;
  kubeProxyVersion: string;
  operatingSystem: string;
  architecture: string;
};
export type Taint = { key: string; value?: string; effect: string; timeAdded?: string };
export type NodeSpec = { podCIDR?: string; podCIDRs?: string[]; providerID?: string; unschedulable?: boolean; taints?: Taint[] };
export type NodeStatus = {
  capacity?: Record<string, Quantity>;
  allocatable?: Record<string, Quantity>;
  conditions?: NodeCondition[];
  addresses?: NodeAddress[];
  daemonEndpoints?: { kubeletEndpoint?: { Port: number } };
  nodeInfo?: NodeSystemInfo;
  images?: { names?: string[]; sizeBytes?: number }[];
};
export type Node = TypeMeta & { metadata: ObjectMeta; spec?: NodeSpec; status?: NodeStatus };

export type Namespace = TypeMeta & {
  metadata: ObjectMeta;
  spec?: { finalizers?: string[] };
  status?: { phase?: 'Active' | 'Terminating'; conditions?: Record<string, unknown>[] };
};

export type ConfigMap = TypeMeta & {
  metadata: ObjectMeta;
  data?: Record<string, string>;
  /** Base64 values. */
  binaryData?: Record<string, string>;
  immutable?: boolean;
};

export type Secret = TypeMeta & {
  metadata: ObjectMeta;
  type?: string;
  /** Base64 values. */
  data?: Record<string, string>;
  /** Write-only plain values. */
  stringData?: Record<string, string>;
  immutable?: boolean;
};

export type ServiceAccount = TypeMeta & {
  metadata: ObjectMeta;
  secrets?: ObjectReference[];
  imagePullSecrets?: LocalObjectReference[];
  automountServiceAccountToken?: boolean;
};

/** core/v1 Event; `KubeEvent` so that it does not shadow the DOM's. */
export type KubeEvent = TypeMeta & {
  metadata: ObjectMeta;
  involvedObject: ObjectReference;
  reason?: string;
  message?: string;
  source?: { component?: string; host?: string };
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  count?: number;
  type?: 'Normal' | 'Warning' | string;
  /** RFC 3339 with microseconds. */
  eventTime?: string | null;
  series?: { count?: number; lastObservedTime?: string };
  action?: string;
  related?: ObjectReference;
  reportingComponent?: string;
  reportingInstance?: string;
};

/** events.k8s.io/v1 Event: the same stored object under newer names. */
export type EventsV1Event = TypeMeta & {
  metadata: ObjectMeta;
  regarding?: ObjectReference;
  related?: ObjectReference;
  reason?: string;
  note?: string;
  type?: string;
  action?: string;
  eventTime: string | null;
  reportingController?: string;
  reportingInstance?: string;
  series?: { count: number; lastObservedTime: string };
  deprecatedSource?: { component?: string; host?: string };
  deprecatedFirstTimestamp?: string | null;
  deprecatedLastTimestamp?: string | null;
  deprecatedCount?: number;
};

/** "v1" "List" as people write it in files: items of any kind. */
export type ManifestList = TypeMeta & { items: KubeObject[] };
