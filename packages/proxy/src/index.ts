export type { BootstrapSettings } from './ads/bootstrap.ts';
export { type PodInfo, type ProxyEnvironment, parseProxyEnvironment } from './agent/environment.ts';
export { type RunningProxy, type RunProxyOptions, runProxy } from './agent/run-proxy.ts';
export { runSidecar, type SidecarOptions } from './agent/run-sidecar.ts';
export { checkBootstrap } from './agent/static-resources.ts';
export type { NodeIdentity } from './http/context.ts';
export { type HttpObserver, type ProxyObserver, silentObserver, type TcpObserver } from './http/observer.ts';
export {
  flagBit,
  formatResponseFlags,
  type PeerMetadata,
  RESPONSE_FLAGS,
  type RequestRecord,
  type ResponseFlag,
} from './http/request-record.ts';
export type { ConnectionInfo, RequestView } from './http/request-view.ts';
export { createHostTransport } from './io/host-transport.ts';
export type { ActiveListener } from './listener/active-listener.ts';
export type { ListenerStats } from './listener/listener-stats.ts';
export { createObserver, type Observer } from './observe/observer.ts';
export { createProxy, type Proxy, type ProxyOptions } from './proxy.ts';
export type { ClusterState, Resolver } from './upstream/cluster-state.ts';
export type { ClusterStats, HostStats } from './upstream/cluster-stats.ts';
export type { Host } from './upstream/host.ts';
