// Every request that is not an upgrade: health, version, discovery, OpenAPI, resources. Turns errors into Status replies.

import { messageOf } from '@lateen/base';

import { ISSUER } from './auth/service-account-tokens.ts';
import { discovery } from './discovery/discovery.ts';
import { openApi } from './discovery/openapi.ts';
import { type ApiReply, type ApiRequest, json, text } from './http/exchange.ts';
import { callOf, dispatch, type Services } from './rest/dispatch.ts';
import { ApiError, internalError, pathNotFound, unauthorized } from './status.ts';
import { parsePodProxyPath, proxyToPod } from './streaming/pod-proxy.ts';

export type HandlerOptions = Services & { gitVersion: string; metrics: () => string };
export type Handler = (request: ApiRequest) => Promise<ApiReply>;

const PUBLIC = new Set(['/healthz', '/livez', '/readyz', '/version', '/.well-known/openid-configuration', '/openid/v1/jwks']);
export const ANONYMOUS = 'system:anonymous';

export function createHandler(options: HandlerOptions): Handler {
  const { core, tokens } = options;
  return async (request) => {
    const warnings: string[] = [];
    try {
      if (request.user.username === ANONYMOUS && !PUBLIC.has(request.path)) throw unauthorized();
      return withWarnings(await serve(request, warnings), warnings);
    } catch (error) {
      if (error instanceof ApiError) return withWarnings(json(error.status.code ?? 500, error.status), warnings);
      core.logger.error('request failed', {
        method: request.method,
        path: request.path,
        error: messageOf(error),
        stack: (error as Error).stack,
      });
      return json(500, internalError(messageOf(error)).status);
    }
  };

  async function serve(request: ApiRequest, warnings: string[]): Promise<ApiReply> {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const reply = isRead ? serveFixed(request) : undefined;
    if (reply) return reply;
    const podProxy = parsePodProxyPath(request.path);
    if (podProxy) return proxyToPod(podProxy, request, options);
    const call = callOf(core, request);
    try {
      return await dispatch(call, options);
    } finally {
      warnings.push(...call.warnings);
    }
  }

  function serveFixed({ path, headers }: ApiRequest): ApiReply | undefined {
    switch (path) {
      case '/':
        return json(200, {
          paths: ['/api', '/apis', '/healthz', '/livez', '/metrics', '/openapi/v2', '/openapi/v3', '/readyz', '/version'],
        });
      case '/version':
        return json(200, versionInfo(options.gitVersion));
      case '/metrics':
        return text(200, options.metrics());
      case '/.well-known/openid-configuration':
        return json(200, {
          issuer: ISSUER,
          jwks_uri: `${ISSUER}/openid/v1/jwks`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['ES256', 'RS256'],
        });
      case '/openid/v1/jwks':
        return json(200, tokens.keySet());
    }
    if (/^\/(healthz|livez|readyz)(\/|$)/.test(path)) return text(200, 'ok');
    if (path.startsWith('/openapi/')) return openApi(core, path) ?? notThere();
    return discovery(core.registry, path, headers['accept']);
  }
}

function notThere(): never {
  throw pathNotFound();
}

function versionInfo(gitVersion: string) {
  const [, major = '1', minor = '32'] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return {
    major,
    minor,
    gitVersion,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'none',
    compiler: 'node',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}

const MAX_WARNINGS = 20;

function withWarnings(reply: ApiReply, warnings: string[]): ApiReply {
  if (warnings.length === 0) return reply;
  const unique = [...new Set(warnings)].slice(0, MAX_WARNINGS);
  // RFC 7234 warn-text: quoted, printable, on one line.
  const quoted = unique.map(
    (one) =>
      `299 - "${one
        .replace(/[^\x20-\x7e]/g, ' ')
        .replace(/[\\"]/g, '\\$&')
        .slice(0, 4000)}"`,
  );
  return { ...reply, headers: { ...reply.headers, warning: quoted.join(', ') } };
}
