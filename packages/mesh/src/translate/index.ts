export { parseServerHost, type ServerHost, sharedHosts } from './gateway-servers.ts';
export { type ClusterName, inboundCluster, outboundCluster, parseClusterName } from './names.ts';
export { type ProxyScope, scopeKey } from './scope.ts';
export { type Translation, translate, translateOnlyEndpoints } from './translate.ts';
export { MESH_GATEWAY, type ResolvedVirtualService, resolveGateways, resolveVirtualServices } from './virtual-service-rules.ts';
