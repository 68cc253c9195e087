// Forwarding rules: destinations, rewrites, timeouts, mirrors, hashing.

import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  ProxyProtocolConfig_Version,
  ProxyProtocolConfigSchema,
  type RouteAction,
  type RouteAction_HashPolicy,
  type RouteAction_RequestMirrorPolicy,
  RouteAction_RequestMirrorPolicySchema,
  RouteActionSchema,
  RoutingPriority,
  type TypedExtensionConfig,
  uriTemplateRewrite,
  type VirtualHost,
} from '@lateen/xds/messages/proxy';
import type {
  ConnectRuntime,
  CorsRuntime,
  ForwardAction,
  GrpcTimeoutRuntime,
  HashPolicy,
  HostRewrite,
  MirrorRuntime,
  PathRewrite,
} from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileRouteCors, mergeCors } from './fault-cors.ts';
import { compileMutationList } from './header-mutation.ts';
import { compileInternalRedirect } from './internal-redirect.ts';
import { type PathCondition, pathOf, replaceMatchedPrefix } from './path-match.ts';
import { compileRateLimits } from './rate-limit-actions.ts';
import { compileRegexRewrite, compileTextRewrite } from './redirect.ts';
import { honours, type Report } from './report.ts';
import { compileRetryPolicy } from './retry.ts';
import { durationMs, durationMsOr, shareOf } from './values.ts';

const check = honours(RouteActionSchema, [
  'cluster',
  'clusterHeader',
  'weightedClusters',
  'clusterNotFoundResponseCode',
  'metadataMatch',
  'pathRewritePolicy',
  'prefixRewrite',
  'regexRewrite',
  'hostRewriteLiteral',
  'autoHostRewrite',
  'hostRewriteHeader',
  'hostRewritePathRegex',
  'appendXForwardedHost',
  'timeout',
  'idleTimeout',
  'retryPolicy',
  'requestMirrorPolicies',
  'priority',
  'rateLimits',
  'includeVhRateLimits',
  'internalRedirectPolicy',
  'internalRedirectAction',
  'maxInternalRedirects',
  'hashPolicy',
  'cors',
  'maxGrpcTimeout',
  'grpcTimeoutOffset',
  'upgradeConfigs',
  'maxStreamDuration',
]);

const checkProxyProtocol = honours(ProxyProtocolConfigSchema, ['version']);

const NOT_FOUND_STATUS: Partial<Record<number, number>> = {
  [NotFoundCode.SERVICE_UNAVAILABLE]: 503,
  [NotFoundCode.NOT_FOUND]: 404,
  [NotFoundCode.INTERNAL_SERVER_ERROR]: 500,
};
export const clusterNotFoundStatusOf = (action: RouteAction): number => NOT_FOUND_STATUS[action.clusterNotFoundResponseCode] ?? 503;

/** Envoy's default when `timeout` is not set. */
const DEFAULT_TIMEOUT_MS = 15_000;

export type ActionContext = {
  condition: PathCondition;
  virtualHost: VirtualHost;
  tableMirrors: readonly RouteAction_RequestMirrorPolicy[];
  /** The route's limit of the body kept for retries. */
  bufferLimitBytes: number | undefined;
};

// Most routes have none, and there may be thousands.
const NO_UPGRADES: ForwardAction['upgrades'] = new Map();
const upgradesOf = ({ upgradeConfigs }: RouteAction): ForwardAction['upgrades'] =>
  upgradeConfigs.length === 0
    ? NO_UPGRADES
    : new Map(upgradeConfigs.map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true]));

export function refuseRepeatedUpgrades(configs: readonly { readonly upgradeType: string }[], report: Report): void {
  const types = configs.map(({ upgradeType }) => upgradeType.toLowerCase());
  types.forEach((type, i) => {
    if (types.indexOf(type) < i) report.at('upgrade_configs', i).refuse(`duplicate upgrade ${JSON.stringify(type)}`);
  });
}

export function compileForwardAction(action: RouteAction, context: ActionContext, report: Report): ForwardAction {
  check(action, report);
  refuseRepeatedUpgrades(action.upgradeConfigs, report);
  const { virtualHost, condition, tableMirrors } = context;
  const retryPolicy = action.retryPolicy ?? virtualHost.retryPolicy;
  const mirrors =
    [action.requestMirrorPolicies, virtualHost.requestMirrorPolicies, tableMirrors].find((policies) => policies.length > 0) ?? [];
  const stream = action.maxStreamDuration;
  return {
    // A stream with a maximum duration needs no other timeout.
    timeoutMs: durationMsOr(action.timeout, stream ? 0 : DEFAULT_TIMEOUT_MS),
    idleTimeoutMs: durationMsOr(action.idleTimeout, undefined),
    maxStreamDurationMs: durationMsOr(stream?.maxStreamDuration, undefined),
    hasStreamDuration: stream !== undefined,
    grpcTimeout: compileGrpcTimeout(action),
    rewrite: compilePathRewrite(action, condition, report),
    hostRewrite: compileHostRewrite(action, report),
    appendXForwardedHost: action.appendXForwardedHost,
    retry: retryPolicy && compileRetryPolicy(retryPolicy, report.at('retry_policy')),
    mirrors: mirrors.flatMap((policy, i) => compileMirror(policy, report.at('request_mirror_policies', i)) ?? []),
    hashPolicies: action.hashPolicy.flatMap((policy, i) => compileHashPolicy(policy, report.at('hash_policy', i)) ?? []),
    cors: compileCors(action, virtualHost, report),
    priority: action.priority === RoutingPriority.HIGH ? 'high' : 'default',
    upgrades: upgradesOf(action),
    connect: compileConnect(action, report),
    internalRedirect: compileInternalRedirect(action, report),
    rateLimits: compileRateLimits(action.rateLimits, report),
    includeVirtualHostRateLimits: action.includeVhRateLimits ?? false,
    bufferLimitBytes: context.bufferLimitBytes,
  };
}

/** The deprecated place of CORS policies. */
function compileCors({ cors: own }: RouteAction, { cors: ofHost }: VirtualHost, report: Report): CorsRuntime | undefined {
  const policies = [own, ofHost].flatMap((policy) => (policy ? compileRouteCors(policy, report.at('cors')) : []));
  return policies.length > 1 ? mergeCors(policies[0] as CorsRuntime, policies[1] as CorsRuntime) : policies[0];
}

function compileGrpcTimeout(action: RouteAction): GrpcTimeoutRuntime | undefined {
  const stream = action.maxStreamDuration;
  if (stream?.grpcTimeoutHeaderMax) {
    return { scope: 'stream', maxMs: durationMs(stream.grpcTimeoutHeaderMax), offsetMs: durationMsOr(stream.grpcTimeoutHeaderOffset, 0) };
  }
  if (!action.maxGrpcTimeout) return undefined;
  return { scope: 'request', maxMs: durationMs(action.maxGrpcTimeout), offsetMs: durationMsOr(action.grpcTimeoutOffset, 0) };
}

function compileConnect(action: RouteAction, report: Report): ConnectRuntime | undefined {
  const index = action.upgradeConfigs.findIndex((upgrade) => upgrade.connectConfig !== undefined);
  const upgrade = action.upgradeConfigs[index];
  if (!upgrade?.connectConfig) return undefined;
  const at = report.at('upgrade_configs', index);
  if (upgrade.upgradeType.toLowerCase() !== 'connect') at.at('connect_config').refuse('is only of use with upgrade_type CONNECT');
  const proxyProtocol = upgrade.connectConfig.proxyProtocolConfig;
  if (proxyProtocol) checkProxyProtocol(proxyProtocol, at.at('connect_config').at('proxy_protocol_config'));
  return {
    allowPost: upgrade.connectConfig.allowPost,
    proxyProtocol: proxyProtocol && (proxyProtocol.version === ProxyProtocolConfig_Version.V2 ? 2 : 1),
  };
}

function compilePathRewrite(action: RouteAction, condition: PathCondition, report: Report): PathRewrite | undefined {
  const rewrites = [action.prefixRewrite || undefined, action.regexRewrite, action.pathRewritePolicy];
  if (rewrites.filter((rewrite) => rewrite !== undefined).length > 1) {
    report.refuse('only one of prefix_rewrite, regex_rewrite and path_rewrite_policy can be specified');
  }
  if (action.prefixRewrite !== '') {
    if (condition.kind === 'template') report.at('prefix_rewrite').refuse('cannot be used with path_match_policy');
    return { kind: condition.kind === 'path' ? 'path' : 'prefix', apply: replaceMatchedPrefix(condition, action.prefixRewrite) };
  }
  if (action.pathRewritePolicy) return compileTemplateRewrite(action.pathRewritePolicy, condition, report.at('path_rewrite_policy'));
  if (!action.regexRewrite) return undefined;
  return { kind: 'regex', apply: compileRegexRewrite(action.regexRewrite, report.at('regex_rewrite')) };
}

function compileTemplateRewrite(policy: TypedExtensionConfig, condition: PathCondition, report: Report): PathRewrite | undefined {
  const apply = compileAny(
    policy.typedConfig,
    [
      extension(uriTemplateRewrite.UriTemplateRewriteConfigSchema, ({ pathTemplateRewrite }, at) => {
        if (condition.template) return at.at('path_template_rewrite').take(condition.template.compileRewrite(pathTemplateRewrite));
        at.refuse('needs a path_match_policy with a path template');
        return undefined;
      }),
    ],
    report.at('typed_config'),
  );
  if (!apply) return undefined;
  return {
    kind: 'template',
    apply(pathWithQuery) {
      const path = pathOf(pathWithQuery);
      return apply(path) + pathWithQuery.slice(path.length);
    },
  };
}

function compileHostRewrite(action: RouteAction, report: Report): HostRewrite | undefined {
  const rewrite = action.hostRewriteSpecifier;
  switch (rewrite.case) {
    case 'hostRewriteLiteral':
      return rewrite.value === '' ? undefined : { kind: 'literal', value: rewrite.value };
    case 'autoHostRewrite':
      return rewrite.value.value ? { kind: 'auto' } : undefined;
    case 'hostRewriteHeader':
      return { kind: 'header', name: rewrite.value.toLowerCase() };
    case 'hostRewritePathRegex':
      return { kind: 'path_regex', apply: compileRegexRewrite(rewrite.value, report.at('host_rewrite_path_regex')) };
    case undefined:
      return undefined;
  }
}

const checkMirror = honours(RouteAction_RequestMirrorPolicySchema, [
  'cluster',
  'clusterHeader',
  'requestHeadersMutations',
  'hostRewriteLiteral',
  'runtimeFraction',
  'traceSampled',
  'disableShadowHostSuffixAppend',
]);

function compileMirror(policy: RouteAction_RequestMirrorPolicy, report: Report): MirrorRuntime | undefined {
  checkMirror(policy, report);
  if ((policy.cluster === '') === (policy.clusterHeader === '')) report.refuse('one of cluster and cluster_header is required');
  return {
    cluster: policy.cluster,
    clusterHeader: policy.clusterHeader.toLowerCase() || undefined,
    requestHeaders: compileMutationList(policy.requestHeadersMutations, report, 'request_headers_mutations'),
    hostRewrite: policy.hostRewriteLiteral || undefined,
    share: shareOf(policy.runtimeFraction),
    appendShadowSuffix: !policy.disableShadowHostSuffixAppend,
  };
}

function compileHashPolicy(policy: RouteAction_HashPolicy, report: Report): HashPolicy | undefined {
  const { terminal, policySpecifier: specifier } = policy;
  switch (specifier.case) {
    case 'header':
      return {
        kind: 'header',
        name: specifier.value.headerName.toLowerCase(),
        ...(specifier.value.regexRewrite && {
          rewrite: compileTextRewrite(specifier.value.regexRewrite, report.at('header').at('regex_rewrite')),
        }),
        terminal,
      };
    case 'cookie': {
      const { name, path, ttl, attributes } = specifier.value;
      return {
        kind: 'cookie',
        name,
        path,
        ttlMs: ttl && durationMs(ttl),
        attributes: attributes.map((each) => ({ name: each.name, value: each.value })),
        terminal,
      };
    }
    case 'connectionProperties':
      return specifier.value.sourceIp ? { kind: 'source_ip', terminal } : undefined;
    case 'queryParameter':
      return { kind: 'query_parameter', name: specifier.value.name, terminal };
    case 'filterState':
      return { kind: 'filter_state', key: specifier.value.key, terminal };
    case undefined:
      return undefined;
  }
}
