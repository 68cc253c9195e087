// Forwarding rules: destinations, rewrites, timeouts, mirrors, hashing.

import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type RouteAction,
  type RouteAction_HashPolicy,
  type RouteAction_RequestMirrorPolicy,
  RouteAction_RequestMirrorPolicySchema,
  RouteActionSchema,
  RoutingPriority,
  type VirtualHost,
} from '@lateen/xds/messages/proxy';
import type { ForwardAction, HashPolicy, HostRewrite, MirrorRuntime, PathRewrite } from '../model.ts';
import { compileRouteCors } from './fault-cors.ts';
import { type PathCondition, replaceMatchedPrefix } from './path-match.ts';
import { compileRegexRewrite } from './redirect.ts';
import { honours, type Report } from './report.ts';
import { compileRetryPolicy } from './retry.ts';
import { durationMs, durationMsOr, runtimeFractionOf } from './values.ts';

const check = honours(RouteActionSchema, [
  'cluster',
  'clusterHeader',
  'weightedClusters',
  'clusterNotFoundResponseCode',
  'metadataMatch',
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
  'hashPolicy',
  'cors',
  'maxGrpcTimeout',
  'grpcTimeoutOffset',
  'upgradeConfigs',
  'maxStreamDuration',
]);

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
};

export function compileForwardAction(action: RouteAction, context: ActionContext, report: Report): ForwardAction {
  check(action, report);
  const { virtualHost, condition, tableMirrors } = context;
  const retryPolicy = action.retryPolicy ?? virtualHost.retryPolicy;
  const mirrors =
    [action.requestMirrorPolicies, virtualHost.requestMirrorPolicies, tableMirrors].find((policies) => policies.length > 0) ?? [];
  const cors = action.cors ?? virtualHost.cors;
  const stream = action.maxStreamDuration;
  return {
    timeoutMs: durationMsOr(action.timeout, DEFAULT_TIMEOUT_MS),
    idleTimeoutMs: durationMsOr(action.idleTimeout, undefined),
    maxStreamDurationMs: durationMsOr(stream?.maxStreamDuration, undefined),
    maxGrpcTimeoutMs: durationMsOr(stream?.grpcTimeoutHeaderMax ?? action.maxGrpcTimeout, undefined),
    grpcTimeoutOffsetMs: durationMsOr(stream?.grpcTimeoutHeaderOffset ?? action.grpcTimeoutOffset, undefined),
    rewrite: compilePathRewrite(action, condition, report),
    hostRewrite: compileHostRewrite(action, report),
    appendXForwardedHost: action.appendXForwardedHost,
    retry: retryPolicy && compileRetryPolicy(retryPolicy, report.at('retry_policy')),
    mirrors: mirrors.flatMap((policy, i) => compileMirror(policy, report.at('request_mirror_policies', i)) ?? []),
    hashPolicies: action.hashPolicy.flatMap((policy, i) => compileHashPolicy(policy, report.at('hash_policy', i)) ?? []),
    cors: cors && compileRouteCors(cors, report.at('cors')),
    priority: action.priority === RoutingPriority.HIGH ? 'high' : 'default',
    upgrades: new Map(action.upgradeConfigs.map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true])),
  };
}

function compilePathRewrite(action: RouteAction, condition: PathCondition, report: Report): PathRewrite | undefined {
  if (action.prefixRewrite !== '' && action.regexRewrite) report.at('regex_rewrite').refuse('excludes prefix_rewrite');
  if (action.prefixRewrite !== '') {
    return { kind: condition.kind === 'path' ? 'path' : 'prefix', apply: replaceMatchedPrefix(condition, action.prefixRewrite) };
  }
  if (!action.regexRewrite) return undefined;
  return { kind: 'regex', apply: compileRegexRewrite(action.regexRewrite, report.at('regex_rewrite')) };
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
  'runtimeFraction',
  'traceSampled',
  'disableShadowHostSuffixAppend',
]);

function compileMirror(policy: RouteAction_RequestMirrorPolicy, report: Report): MirrorRuntime | undefined {
  checkMirror(policy, report);
  if (policy.cluster === '') report.at('cluster').refuse('must not be empty');
  return {
    cluster: policy.cluster,
    fraction: runtimeFractionOf(policy.runtimeFraction),
    appendShadowSuffix: !policy.disableShadowHostSuffixAppend,
  };
}

function compileHashPolicy(policy: RouteAction_HashPolicy, report: Report): HashPolicy | undefined {
  const { terminal, policySpecifier: specifier } = policy;
  switch (specifier.case) {
    case 'header':
      if (specifier.value.regexRewrite) report.at('header').at('regex_rewrite').refuse('is not supported');
      return { kind: 'header', name: specifier.value.headerName.toLowerCase(), terminal };
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
      report.at('filter_state').refuse('is not supported');
      return undefined;
    case undefined:
      report.refuse('a hash source is required');
      return undefined;
  }
}
