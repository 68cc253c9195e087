export { parseServerHost, type ServerHost, sharedHosts } from './gateway-servers.ts';
export { type ClusterName, inboundCluster, outboundCluster, parseClusterName } from './names.ts';
export { clientScope, type ProxyScope, scopeKey } from './scope.ts';
export { type Translation, translate, translateClient, translateOnlyEndpoints, translateServer } from './translate.ts';
export { MESH_GATEWAY, type ResolvedVirtualService, resolveGateways, resolveVirtualServices } from './virtual-service-rules.ts';
