// Entry @lateen/api/mesh-config. Apart from the main entry, because reading YAML costs time to import.

export { defaultMeshConfig, type EffectiveMeshConfig, type EffectiveProxyConfig } from './defaults.ts';
export { type ExtensionProvider, PROVIDER_TYPES } from './extension-providers.ts';
export type { MeshConfig } from './mesh-config.ts';
export { type ParsedMeshConfig, parseMeshConfig, parseProxyConfig } from './parse.ts';
export type { ProxyConfigValues } from './proxy-config.ts';
