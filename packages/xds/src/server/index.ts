export { type AdsEvent, type AdsServer, type AdsServerOptions, createAdsServer } from './ads-server.ts';
export type { TypeStatus, XdsClient } from './connection.ts';
export {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  type EncodedResource,
  encodeResource,
  LISTENER_TYPE,
  PUSH_ORDER,
  type ResourceSet,
  type ResourcesOfType,
  ROUTE_TYPE,
} from './resource.ts';
export { ADS_SERVICE } from './service.ts';
