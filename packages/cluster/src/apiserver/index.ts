export type { DialService } from './admission/webhook-client.ts';
export { type ApiServer, type ApiServerOptions, createApiServer } from './api-server.ts';
export type { ServiceAccountTokens } from './auth/service-account-tokens.ts';
export { createGarbageCollector, type GarbageCollectorOptions } from './controllers/garbage-collector.ts';
export { createNamespaceController, type NamespaceControllerOptions } from './controllers/namespace-controller.ts';
export type { ApiReply, ApiRequest } from './http/exchange.ts';
export { type KubeconfigInput, renderKubeconfig } from './kubeconfig.ts';
