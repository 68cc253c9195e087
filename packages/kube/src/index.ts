export { createHttpTransport, type HttpTransportOptions } from './client/http-transport.ts';
export {
  createKubeClient,
  type KubeClient,
  type KubeClientOptions,
  type ListOptions,
  type PatchOptions,
  type PatchType,
  resourcePath,
  type Target,
  type WatchOptions,
  type WriteOptions,
} from './client/kube-client.ts';
export { isAlreadyExists, isConflict, isGone, isNotFound, KubeError, kubeErrorOf } from './client/kube-error.ts';
export { type KubeRequest, type KubeResponse, type KubeTransport, readBody, readLines } from './client/transport.ts';
export type { ClusterConfig, Credentials, ExecCredentialPlugin } from './config/cluster-config.ts';
export { type KubeconfigOptions, loadClusterConfig, loadInClusterConfig } from './config/kubeconfig.ts';
export { createInformer, type Informer, type InformerHandlers, type InformerOptions } from './informer/informer.ts';
export {
  type FieldPath,
  type Manifest,
  type ManifestError,
  type ParsedManifests,
  type ParseManifestsOptions,
  parseManifests,
  parseManifestsStrict,
} from './manifest/parse-manifests.ts';
export { createLeaderElector, LEASES, type LeaderElector, type LeaderElectorOptions } from './queue/leader-election.ts';
export { createWorkQueue, type WorkQueue, type WorkQueueOptions } from './queue/work-queue.ts';
export * from './selector/index.ts';
