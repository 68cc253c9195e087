export type { DialService } from './admission/webhook-client.ts';
export { type ApiServer, type ApiServerOptions, createApiServer } from './api-server.ts';
export type { ServiceAccountTokens } from './auth/service-account-tokens.ts';
export type { ApiReply, ApiRequest } from './http/exchange.ts';
export { formatKubeconfig, type KubeconfigInput } from './kubeconfig.ts';
