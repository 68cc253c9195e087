import { cidrContains, parseIp } from '@lateen/base';
import {
  HttpConnectionManager_ForwardClientCertDetails as ClientCert,
  HttpConnectionManager_CodecType as Codec,
  customHeaderIpDetection,
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  earlyHeaderMutation,
  type Http1ProtocolOptions,
  Http1ProtocolOptionsSchema,
  type Http2ProtocolOptions,
  Http2ProtocolOptionsSchema,
  type HttpConnectionManager,
  HttpConnectionManager_HcmAccessLogOptionsSchema,
  type HttpConnectionManager_InternalAddressConfig,
  HttpConnectionManager_InternalAddressConfigSchema,
  HttpConnectionManager_SetCurrentClientCertDetailsSchema,
  HttpConnectionManager_UpgradeConfigSchema,
  HttpConnectionManagerSchema,
  HttpProtocolOptionsSchema,
  type KeepaliveSettings,
  preserveCaseFormatter,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
  HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores,
  uuidRequestId,
  xffIpDetection,
} from '@lateen/xds/messages/proxy';
import type { HcmRuntime, Http2Settings, PreserveCase } from '../model.ts';
import { compileAccessLogs } from './access-log.ts';
import { compileAny, extension } from './any.ts';
import { compileReference } from './config-source.ts';
import { compileMutationList } from './header-mutation.ts';
import { compileHttpFilters } from './http-filters.ts';
import { compileLocalReplies } from './local-replies.ts';
import { honours, type Report } from './report.ts';
import { refuseRepeatedUpgrades } from './route-action.ts';
import { compileRouteTable } from './route-table.ts';
import { cidrOf, durationMsOr } from './values.ts';

const check = honours(HttpConnectionManagerSchema, [
  'codecType',
  'statPrefix',
  'rds',
  'routeConfig',
  'httpFilters',
  'tracing',
  'commonHttpProtocolOptions',
  'httpProtocolOptions',
  'http2ProtocolOptions',
  'serverName',
  'serverHeaderTransformation',
  'schemeHeaderTransformation',
  'maxRequestHeadersKb',
  'streamIdleTimeout',
  'requestTimeout',
  'requestHeadersTimeout',
  'drainTimeout',
  'delayedCloseTimeout',
  'accessLog',
  'accessLogOptions',
  'useRemoteAddress',
  'xffNumTrustedHops',
  'skipXffAppend',
  'via',
  'generateRequestId',
  'preserveExternalRequestId',
  'alwaysSetRequestIdInResponse',
  'forwardClientCertDetails',
  'setCurrentClientCertDetails',
  'proxy100Continue',
  'upgradeConfigs',
  'normalizePath',
  'mergeSlashes',
  'pathWithEscapedSlashesAction',
  'requestIdExtension',
  'stripMatchingHostPort',
  'stripAnyHostPort',
  'streamErrorOnInvalidHttpMessage',
  'stripTrailingHostDot',
  'appendXForwardedPort',
  'addProxyProtocolConnectionState',
  'addUserAgent',
  'localReplyConfig',
  'originalIpDetectionExtensions',
  'earlyHeaderMutationExtensions',
  'internalAddressConfig',
  'http1SafeMaxConnectionDuration',
]);
const checkCommon = honours(HttpProtocolOptionsSchema, [
  'idleTimeout',
  'maxConnectionDuration',
  'maxHeadersCount',
  'maxStreamDuration',
  'headersWithUnderscoresAction',
  'maxRequestsPerConnection',
]);
const checkHttp1 = honours(Http1ProtocolOptionsSchema, [
  'acceptHttp10',
  'allowCustomMethods',
  'allowAbsoluteUrl',
  'allowChunkedLength',
  'defaultHostForHttp10',
  'enableTrailers',
  'headerKeyFormat',
  'overrideStreamErrorOnInvalidHttpMessage',
  // Chooses between two parsers of Envoy's.
  'useBalsaParser',
]);
const checkUpgrade = honours(HttpConnectionManager_UpgradeConfigSchema, ['upgradeType', 'enabled']);
const checkClientCert = honours(HttpConnectionManager_SetCurrentClientCertDetailsSchema, ['subject', 'cert', 'chain', 'dns', 'uri']);
const checkAddresses = honours(HttpConnectionManager_InternalAddressConfigSchema, ['unixSockets', 'cidrRanges']);
const checkLogOptions = honours(HttpConnectionManager_HcmAccessLogOptionsSchema, []);

type Names<T> = Partial<Record<number, T>>;
const CODECS: Names<HcmRuntime['codec']> = { [Codec.AUTO]: 'auto', [Codec.HTTP1]: 'http1', [Codec.HTTP2]: 'http2' };
const SLASHES: Names<HcmRuntime['escapedSlashes']> = {
  [EscapedSlashes.REJECT_REQUEST]: 'reject_request',
  [EscapedSlashes.UNESCAPE_AND_REDIRECT]: 'unescape_and_redirect',
  [EscapedSlashes.UNESCAPE_AND_FORWARD]: 'unescape_and_forward',
};
const UNDERSCORES: Names<HcmRuntime['underscoresInHeaders']> = {
  [Underscores.REJECT_REQUEST]: 'reject_request',
  [Underscores.DROP_HEADER]: 'drop_header',
};
const CLIENT_CERT: Names<HcmRuntime['forwardClientCert']['mode']> = {
  [ClientCert.FORWARD_ONLY]: 'forward_only',
  [ClientCert.APPEND_FORWARD]: 'append_forward',
  [ClientCert.SANITIZE_SET]: 'sanitize_set',
  [ClientCert.ALWAYS_FORWARD_ONLY]: 'always_forward_only',
};
const SERVER_HEADER: Names<HcmRuntime['serverHeader']> = {
  [ServerHeader.APPEND_IF_ABSENT]: 'append_if_absent',
  [ServerHeader.PASS_THROUGH]: 'pass_through',
};

export function compileHcm(message: HttpConnectionManager, report: Report): HcmRuntime {
  check(message, report);
  const codec = CODECS[message.codecType];
  if (!codec) report.at('codec_type').refuse('HTTP3 is not supported');
  const filters = compileHttpFilters(message.httpFilters, report);
  const requestId = message.requestIdExtension?.typedConfig;
  // Its settings are about trace sampling: there is nothing to sample.
  if (requestId) compileAny(requestId, [extension(uuidRequestId.UuidRequestIdConfigSchema, () => true)], report.at('request_id_extension'));
  return {
    statPrefix: message.statPrefix,
    codec: codec ?? 'auto',
    routes: compileRoutes(message, report),
    filters,
    accessLogs: compileAccessLogs(message.accessLog, report),
    localReplies: message.localReplyConfig && compileLocalReplies(message.localReplyConfig, report.at('local_reply_config')),
    ipDetection: compileIpDetection(message, report),
    earlyHeaderMutations: message.earlyHeaderMutationExtensions.flatMap(
      (extension, i) =>
        compileAny(extension.typedConfig, EARLY_MUTATIONS, report.at('early_header_mutation_extensions', i).at('typed_config')) ?? [],
    ),
    isInternalAddress: compileInternalAddresses(message.internalAddressConfig, report.at('internal_address_config')),
    suppressEnvoyHeaders: filters.some((filter) => filter.kind === 'router' && filter.suppressEnvoyHeaders),
    upgrades: compileUpgrades(message, report),
    tracing: compileTracing(message, report),
    ...requestSettings(message, report),
    ...limits(message, report),
    http1: compileHttp1(message, report),
    http2: compileHttp2(
      message.http2ProtocolOptions,
      report.at('http2_protocol_options'),
      message.streamErrorOnInvalidHttpMessage ?? false,
    ),
  };
}

const EARLY_MUTATIONS = [
  extension(earlyHeaderMutation.HeaderMutationSchema, (message, report) => compileMutationList(message.mutations, report, 'mutations')),
];

type IpDetection = HcmRuntime['ipDetection'][number];
const checkXff = honours(xffIpDetection.XffConfigSchema, ['xffNumTrustedHops', 'xffTrustedCidrs', 'skipXffAppend']);
const checkCustom = honours(customHeaderIpDetection.CustomHeaderConfigSchema, [
  'headerName',
  'allowExtensionToSetAddressAsTrusted',
  'rejectWithStatus',
]);
const IP_DETECTION = [
  extension(xffIpDetection.XffConfigSchema, (message, report): IpDetection => {
    checkXff(message, report);
    const { xffTrustedCidrs: trusted, xffNumTrustedHops: trustedHops } = message;
    if (trusted && trustedHops > 0) report.at('xff_trusted_cidrs').refuse('excludes xff_num_trusted_hops');
    const isTrustedProxy =
      trusted && trusted.cidrs.length > 0 ? containsIp(trusted.cidrs, (i) => report.at('xff_trusted_cidrs').at('cidrs', i)) : undefined;
    return { kind: 'xff', trustedHops, isTrustedProxy, appendsPeer: message.skipXffAppend === false };
  }),
  extension(customHeaderIpDetection.CustomHeaderConfigSchema, (message, report): IpDetection => {
    checkCustom(message, report);
    const status = message.rejectWithStatus?.code ?? 403;
    return {
      kind: 'custom_header',
      headerName: message.headerName.toLowerCase(),
      isTrusted: message.allowExtensionToSetAddressAsTrusted,
      rejectStatus: message.rejectWithStatus && (status >= 400 && status < 600 ? status : 403),
    };
  }),
];

function compileIpDetection(message: HttpConnectionManager, report: Report): readonly IpDetection[] {
  const extensions = message.originalIpDetectionExtensions;
  if (extensions.length > 0 && (message.useRemoteAddress || message.xffNumTrustedHops > 0)) {
    report.at('original_ip_detection_extensions').refuse('excludes use_remote_address and xff_num_trusted_hops');
  }
  return extensions.flatMap(
    (each, i) => compileAny(each.typedConfig, IP_DETECTION, report.at('original_ip_detection_extensions', i).at('typed_config')) ?? [],
  );
}

function compileInternalAddresses(
  config: HttpConnectionManager_InternalAddressConfig | undefined,
  report: Report,
): HcmRuntime['isInternalAddress'] {
  if (!config) return undefined;
  checkAddresses(config, report);
  return containsIp(config.cidrRanges, (i) => report.at('cidr_ranges', i));
}

function containsIp(messages: readonly Parameters<typeof cidrOf>[0][], at: (index: number) => Report): (ip: string) => boolean {
  const ranges = messages.flatMap((range, i) => cidrOf(range, at(i)) ?? []);
  return (ip) => {
    const address = parseIp(ip);
    return address !== undefined && ranges.some((range) => cidrContains(range, address));
  };
}

const UNKNOWN_ROUTES = { resourceName: '', source: { kind: 'ads', initialFetchTimeoutMs: 0 } } as const;

function compileRoutes(message: HttpConnectionManager, report: Report): HcmRuntime['routes'] {
  const specifier = message.routeSpecifier;
  if (specifier.case === 'routeConfig') return { kind: 'inline', table: compileRouteTable(specifier.value, report.at('route_config')) };
  if (specifier.case !== 'rds') {
    report.refuse('rds or route_config is required');
    return { kind: 'rds', name: '', ...UNKNOWN_ROUTES };
  }
  const rds = report.at('rds');
  const { routeConfigName, configSource } = specifier.value;
  if (routeConfigName === '') rds.at('route_config_name').refuse('must not be empty');
  const fields = { nameField: 'route_config_name', sourceField: 'config_source' };
  const { key, resourceName, source } = compileReference(routeConfigName, configSource, { report: rds, ...fields });
  return { kind: 'rds', name: key, resourceName, source };
}

function requestSettings(message: HttpConnectionManager, report: Report) {
  const stripAnyHostPort = message.stripPortMode.case === 'stripAnyHostPort' && message.stripPortMode.value;
  if (stripAnyHostPort && message.stripMatchingHostPort) report.at('strip_any_host_port').refuse('excludes strip_matching_host_port');
  const details = message.setCurrentClientCertDetails;
  if (details) checkClientCert(details, report.at('set_current_client_cert_details'));
  return {
    useRemoteAddress: message.useRemoteAddress ?? false,
    xffNumTrustedHops: message.xffNumTrustedHops,
    skipXffAppend: message.skipXffAppend,
    normalizePath: message.normalizePath ?? false,
    mergeSlashes: message.mergeSlashes,
    escapedSlashes: SLASHES[message.pathWithEscapedSlashesAction] ?? ('keep_unchanged' as const),
    underscoresInHeaders: UNDERSCORES[message.commonHttpProtocolOptions?.headersWithUnderscoresAction ?? 0] ?? ('allow' as const),
    forwardClientCert: {
      mode: CLIENT_CERT[message.forwardClientCertDetails] ?? ('sanitize' as const),
      subject: details?.subject ?? false,
      cert: details?.cert ?? false,
      chain: details?.chain ?? false,
      dns: details?.dns ?? false,
      uri: details?.uri ?? false,
    },
    serverName: message.serverName || 'envoy',
    serverHeader: SERVER_HEADER[message.serverHeaderTransformation] ?? ('overwrite' as const),
    via: message.via,
    generateRequestId: message.generateRequestId ?? true,
    preserveExternalRequestId: message.preserveExternalRequestId,
    alwaysSetRequestIdInResponse: message.alwaysSetRequestIdInResponse,
    stripMatchingHostPort: message.stripMatchingHostPort,
    stripAnyHostPort,
    stripTrailingHostDot: message.stripTrailingHostDot,
    schemeToOverwrite: message.schemeHeaderTransformation?.transformation.value ?? '',
    appendXForwardedPort: message.appendXForwardedPort,
    proxy100Continue: message.proxy100Continue,
    addUserAgent: message.addUserAgent ?? false,
    http1SafeMaxConnectionDuration: message.http1SafeMaxConnectionDuration,
  };
}

function limits(message: HttpConnectionManager, report: Report) {
  const common = message.commonHttpProtocolOptions;
  if (common) checkCommon(common, report.at('common_http_protocol_options'));
  if (message.accessLogOptions) checkLogOptions(message.accessLogOptions, report.at('access_log_options'));
  return {
    maxRequestHeadersBytes: (message.maxRequestHeadersKb || 60) * 1024,
    maxHeadersCount: common?.maxHeadersCount ?? 100,
    idleTimeoutMs: durationMsOr(common?.idleTimeout, 3_600_000),
    maxConnectionDurationMs: durationMsOr(common?.maxConnectionDuration, 0),
    streamIdleTimeoutMs: durationMsOr(message.streamIdleTimeout, 300_000),
    requestTimeoutMs: durationMsOr(message.requestTimeout, 0),
    requestHeadersTimeoutMs: durationMsOr(message.requestHeadersTimeout, 0),
    drainTimeoutMs: durationMsOr(message.drainTimeout, 5000),
    delayedCloseTimeoutMs: durationMsOr(message.delayedCloseTimeout, 1000),
    maxStreamDurationMs: durationMsOr(common?.maxStreamDuration, 0),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
  };
}

function compileUpgrades(message: HttpConnectionManager, report: Report): ReadonlyMap<string, boolean> {
  refuseRepeatedUpgrades(message.upgradeConfigs, report);
  message.upgradeConfigs.forEach((upgrade, i) => {
    checkUpgrade(upgrade, report.at('upgrade_configs', i));
  });
  return new Map(message.upgradeConfigs.map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true]));
}

function compileTracing({ tracing }: HttpConnectionManager, report: Report): HcmRuntime['tracing'] {
  if (!tracing) return undefined;
  if (tracing.provider) report.at('tracing').at('provider').refuse('is not supported');
  const share = (percent: { value: number } | undefined) => (percent?.value ?? 100) / 100;
  return {
    clientSampling: share(tracing.clientSampling),
    randomSampling: share(tracing.randomSampling),
    overallSampling: share(tracing.overallSampling),
  };
}

const checkPreserveCase = honours(preserveCaseFormatter.PreserveCaseFormatterConfigSchema, [
  'forwardReasonPhrase',
  'formatterTypeOnEnvoyHeaders',
]);
const FORMATTERS = [
  extension(preserveCaseFormatter.PreserveCaseFormatterConfigSchema, (message, report): PreserveCase => {
    checkPreserveCase(message, report);
    const own = message.formatterTypeOnEnvoyHeaders;
    return {
      forwardReasonPhrase: message.forwardReasonPhrase,
      ownInProperCase: own === preserveCaseFormatter.PreserveCaseFormatterConfig_FormatterTypeOnEnvoyHeaders.PROPER_CASE,
    };
  }),
];

/** header_key_format: as it is (lower case), proper_case_words, or as the sender wrote it. */
export function compileKeyFormat(options: Http1ProtocolOptions | undefined, report: Report): Pick<HcmRuntime['http1'], KeyFormat> {
  const format = options?.headerKeyFormat?.headerFormat;
  const at = report.at('header_key_format').at('stateful_formatter').at('typed_config');
  const preserveCase = format?.case === 'statefulFormatter' ? compileAny(format.value.typedConfig, FORMATTERS, at) : undefined;
  return { properCase: format?.case === 'properCaseWords', preserveCase };
}

type KeyFormat = 'properCase' | 'preserveCase';

function compileHttp1(message: HttpConnectionManager, report: Report): HcmRuntime['http1'] {
  const { httpProtocolOptions: options } = message;
  const at = report.at('http_protocol_options');
  if (options) checkHttp1(options, at);
  return {
    acceptHttp10: options?.acceptHttp10 ?? false,
    allowCustomMethods: options?.allowCustomMethods ?? false,
    defaultHostForHttp10: options?.defaultHostForHttp10 ?? '',
    enableTrailers: options?.enableTrailers ?? false,
    allowChunkedLength: options?.allowChunkedLength ?? false,
    staysAfterBadRequest: options?.overrideStreamErrorOnInvalidHttpMessage ?? message.streamErrorOnInvalidHttpMessage ?? false,
    allowAbsoluteUrl: options?.allowAbsoluteUrl ?? true,
    ...compileKeyFormat(options, at),
  };
}

const checkHttp2 = honours(Http2ProtocolOptionsSchema, [
  'hpackTableSize',
  'maxConcurrentStreams',
  'initialStreamWindowSize',
  'initialConnectionWindowSize',
  'allowConnect',
  'maxOutboundFrames',
  'maxOutboundControlFrames',
  'maxConsecutiveInboundFramesWithEmptyPayload',
  'maxInboundPriorityFramesPerStream',
  'maxInboundWindowUpdateFramesPerDataFrameSent',
  'streamErrorOnInvalidHttpMessaging',
  'overrideStreamErrorOnInvalidHttpMessage',
  'connectionKeepalive',
  // Chooses between two codecs of Envoy's.
  'useOghttp2Codec',
]);

/** Envoy's defaults filled in. `streamErrors`: what the connection manager says of malformed messages. */
export function compileHttp2(options: Http2ProtocolOptions | undefined, report?: Report, streamErrors = false): Http2Settings {
  if (options && report) checkHttp2(options, report);
  return {
    maxConcurrentStreams: options?.maxConcurrentStreams ?? 1024,
    initialStreamWindowBytes: options?.initialStreamWindowSize ?? 16 * 1024 * 1024,
    initialConnectionWindowBytes: options?.initialConnectionWindowSize ?? 24 * 1024 * 1024,
    hpackTableBytes: options?.hpackTableSize ?? 4096,
    allowConnect: options?.allowConnect ?? false,
    maxOutboundFrames: options?.maxOutboundFrames ?? 10_000,
    maxOutboundControlFrames: options?.maxOutboundControlFrames ?? 1000,
    maxConsecutiveInboundFramesWithEmptyPayload: options?.maxConsecutiveInboundFramesWithEmptyPayload ?? 1,
    maxInboundPriorityFramesPerStream: options?.maxInboundPriorityFramesPerStream ?? 100,
    maxInboundWindowUpdateFramesPerDataFrameSent: options?.maxInboundWindowUpdateFramesPerDataFrameSent ?? 10,
    streamErrorOnInvalidHttpMessage:
      options?.overrideStreamErrorOnInvalidHttpMessage ?? (options?.streamErrorOnInvalidHttpMessaging || streamErrors),
    keepalive: options?.connectionKeepalive && compileKeepalive(options.connectionKeepalive),
  };
}

function compileKeepalive(keepalive: KeepaliveSettings): Http2Settings['keepalive'] {
  return {
    intervalMs: durationMsOr(keepalive.interval, 0),
    timeoutMs: durationMsOr(keepalive.timeout, 0),
    jitterPercent: keepalive.intervalJitter?.value ?? 15,
    idleIntervalMs: durationMsOr(keepalive.connectionIdleInterval, 0),
  };
}
