// What a proxy was injected with and tells of itself: the metadata PROXY_CONFIG of its node, as far as translation needs it.

import { parseProxyConfig } from '@lateen/api/mesh-config';
import { isObject } from '@lateen/base';
import { DEFAULT_MESH_CONFIG, type MeshConfig } from '../model/index.ts';

type ProxyConfig = MeshConfig['defaultConfig'];
export type ProxyHeaders = NonNullable<ProxyConfig['proxyHeaders']>;
export type GatewayTopology = NonNullable<ProxyConfig['gatewayTopology']>;

/** What is missing is as in the mesh's defaultConfig. */
export type NodeSettings = { proxyHeaders?: ProxyHeaders; gatewayTopology?: GatewayTopology };

/**
 * defaultConfig at the time of the injection and the pod's annotation, each field for itself; nothing for one that is missing or not
 * readable.
 */
export function settingsOfNode(proxyConfig: unknown): NodeSettings {
  if (!isObject(proxyConfig)) return {};
  const { proxyHeaders, gatewayTopology } = proxyConfig;
  const headers = isObject(proxyHeaders) ? read({ proxyHeaders }).proxyHeaders : undefined;
  const topology = isObject(gatewayTopology) ? read({ gatewayTopology }).gatewayTopology : undefined;
  return { ...(headers && { proxyHeaders: headers }), ...(topology && { gatewayTopology: topology }) };
}

const read = (config: object): ProxyConfig => parseProxyConfig(config, DEFAULT_MESH_CONFIG.defaultConfig).config;
