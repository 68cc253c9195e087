// discovery.k8s.io/v1 EndpointSlice, and the documents of API discovery (/api, /apis).

import type { ObjectReference } from './core.ts';
import type { ObjectMeta, TypeMeta } from './meta.ts';

export type EndpointConditions = { ready?: boolean; serving?: boolean; terminating?: boolean };
export type Endpoint = {
  addresses: string[];
  conditions?: EndpointConditions;
  hostname?: string;
  targetRef?: ObjectReference;
  nodeName?: string;
  zone?: string;
  hints?: { forZones?: { name: string }[]; forNodes?: { name: string }[] };
  deprecatedTopology?: Record<string, string>;
};
export type EndpointPort = { name?: string; protocol?: 'TCP' | 'UDP' | 'SCTP'; port?: number; appProtocol?: string };
export type EndpointSlice = TypeMeta & {
  metadata: ObjectMeta;
  addressType: 'IPv4' | 'IPv6' | 'FQDN';
  endpoints: Endpoint[];
  ports?: EndpointPort[];
};

export type ApiResource = {
  name: string;
  singularName: string;
  namespaced: boolean;
  group?: string;
  version?: string;
  kind: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
  storageVersionHash?: string;
};
export type ApiResourceList = { kind: 'APIResourceList'; apiVersion: 'v1'; groupVersion: string; resources: ApiResource[] };
export type GroupVersionForDiscovery = { groupVersion: string; version: string };
export type ApiGroup = {
  kind?: 'APIGroup';
  apiVersion?: 'v1';
  name: string;
  versions: GroupVersionForDiscovery[];
  preferredVersion?: GroupVersionForDiscovery;
};
export type ApiGroupList = { kind: 'APIGroupList'; apiVersion: 'v1'; groups: ApiGroup[] };
