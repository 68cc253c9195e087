// The filters that see a connection's first bytes before its filter chain is chosen.

import {
  httpInspectorListenerFilter,
  type ListenerFilter,
  type ListenerFilterChainMatchPredicate,
  localRatelimitListenerFilter,
  originalDstListenerFilter,
  ProxyProtocolConfig_Version,
  type ProxyProtocolPassThroughTLVs,
  ProxyProtocolPassThroughTLVs_PassTLVsMatchType,
  proxyProtocolListenerFilter,
  tlsInspectorListenerFilter,
} from '@lateen/xds/messages/proxy';
import type { ListenerFilterConfig, ListenerFilterRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { honours, type Report } from './report.ts';
import { compileRuntimeFlag } from './runtime-flag.ts';
import { compileTokenBucket } from './token-bucket.ts';

const checkTlsInspector = honours(tlsInspectorListenerFilter.TlsInspectorSchema, [
  'initialReadBufferSize',
  'maxClientHelloSize',
  'closeConnectionOnClientHelloParsingErrors',
]);
const MAX_HELLO_BYTES = 16 * 1024;
const checkRateLimit = honours(localRatelimitListenerFilter.LocalRateLimitSchema, ['statPrefix', 'tokenBucket', 'runtimeEnabled']);
const checkProxyProtocol = honours(proxyProtocolListenerFilter.ProxyProtocolSchema, [
  'rules',
  'allowRequestsWithoutProxyProtocol',
  'passThroughTlvs',
  'disallowedVersions',
  'statPrefix',
]);

const FILTERS = [
  extension(originalDstListenerFilter.OriginalDstSchema, (): ListenerFilterConfig => ({ kind: 'original_dst' })),
  extension(tlsInspectorListenerFilter.TlsInspectorSchema, (message, report): ListenerFilterConfig => {
    checkTlsInspector(message, report);
    const maxHelloBytes = message.maxClientHelloSize ?? MAX_HELLO_BYTES;
    if (maxHelloBytes > MAX_HELLO_BYTES) report.at('max_client_hello_size').refuse(`must not be more than ${MAX_HELLO_BYTES}`);
    return { kind: 'tls_inspector', maxHelloBytes, closesOthers: message.closeConnectionOnClientHelloParsingErrors };
  }),
  extension(httpInspectorListenerFilter.HttpInspectorSchema, (): ListenerFilterConfig => ({ kind: 'http_inspector' })),
  extension(proxyProtocolListenerFilter.ProxyProtocolSchema, compileProxyProtocol),
  extension(localRatelimitListenerFilter.LocalRateLimitSchema, (message, report): ListenerFilterConfig => {
    checkRateLimit(message, report);
    const bucket = compileTokenBucket(message.tokenBucket, report.at('token_bucket'));
    return { kind: 'local_rate_limit', statPrefix: message.statPrefix, bucket, enabled: compileRuntimeFlag(message.runtimeEnabled) };
  }),
];

const FILTER_NAME = 'envoy.filters.listener.proxy_protocol';

function compileProxyProtocol(message: proxyProtocolListenerFilter.ProxyProtocol, report: Report): ListenerFilterConfig {
  checkProxyProtocol(message, report);
  const { V1, V2 } = ProxyProtocolConfig_Version;
  const v1 = !message.disallowedVersions.includes(V1);
  const v2 = !message.disallowedVersions.includes(V2);
  if (!v1 && !v2) report.at('disallowed_versions').refuse('leaves no version');
  const rules = message.rules.flatMap(({ tlvType, onTlvPresent }) => {
    if (!onTlvPresent) return [];
    return [{ type: tlvType, namespace: onTlvPresent.metadataNamespace || FILTER_NAME, key: onTlvPresent.key }];
  });
  return {
    kind: 'proxy_protocol',
    statPrefix: message.statPrefix,
    allowWithout: message.allowRequestsWithoutProxyProtocol,
    v1,
    v2,
    rules,
    passesTlv: compilePassThrough(message.passThroughTlvs),
  };
}

/** Which TLVs pass; without a setting none does. */
export function compilePassThrough(pass: ProxyProtocolPassThroughTLVs | undefined): (type: number) => boolean {
  if (!pass) return () => false;
  if (pass.matchType === ProxyProtocolPassThroughTLVs_PassTLVsMatchType.INCLUDE_ALL) return () => true;
  const types = new Set(pass.tlvType);
  return (type) => types.has(type);
}

export function compileListenerFilter(filter: ListenerFilter, report: Report): ListenerFilterRuntime | undefined {
  if (filter.configType.case === 'configDiscovery') {
    report.at('config_discovery').refuse('is not supported');
    return undefined;
  }
  const config = compileAny<ListenerFilterConfig>(filter.configType.value, FILTERS, report.at('typed_config'));
  const isDisabled = compilePortPredicate(filter.filterDisabled, report.at('filter_disabled'));
  return config && { ...config, isDisabled };
}

function compilePortPredicate(predicate: ListenerFilterChainMatchPredicate | undefined, report: Report): (port: number) => boolean {
  const rule = predicate?.rule;
  switch (rule?.case) {
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      return (port) => port >= start && port < end;
    }
    case 'anyMatch':
      return () => rule.value;
    case 'notMatch': {
      const inner = compilePortPredicate(rule.value, report.at('not_match'));
      return (port) => !inner(port);
    }
    case 'orMatch':
    case 'andMatch': {
      const all = rule.value.rules.map((each, i) =>
        compilePortPredicate(each, report.at(rule.case === 'orMatch' ? 'or_match' : 'and_match').at('rules', i)),
      );
      return rule.case === 'orMatch' ? (port) => all.some((each) => each(port)) : (port) => all.every((each) => each(port));
    }
    case undefined:
      return () => false;
  }
}
