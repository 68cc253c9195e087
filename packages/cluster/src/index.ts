export { type Cluster, type ClusterOptions, createCluster } from './cluster.ts';
export type { BuiltinContainer, CatalogueEntry, ClusterNetwork, NetworkMode, NodeApi, PodSandbox } from './contracts.ts';
