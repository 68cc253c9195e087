export { parseServerHost, sharedHosts } from './gateway-servers.ts';
export { parseClusterName } from './names.ts';
export { type NodeSettings, settingsOfNode } from './node-settings.ts';
export { clientScope, type ProxyScope, scopeKey } from './scope.ts';
export { type Translation, translate, translateClient, translateOnlyEndpoints, translateServer } from './translate.ts';
export { MESH_GATEWAY, resolveGateways } from './virtual-service-rules.ts';
