// extensionProviders of MeshConfig: authorizers, tracers, metric and log sinks that Telemetry and AuthorizationPolicy name.

import { bool, choice, duration, int32, list, map, message, type Static, struct, text, uint32 } from '../schema/build.ts';

const endpoint = {
  service: text('Host of the registry, or namespace/host.'),
  port: uint32('Port of the service.'),
};

const bodyOptions = message('How much of the body is sent.', {
  maxRequestBytes: uint32('Limit.'),
  allowPartialMessage: bool('Send what was received when the limit is reached.'),
  packAsBytes: bool('Send as bytes.'),
});

const extAuthzShared = {
  ...endpoint,
  timeout: duration('Limit of one check; default 10 minutes.'),
  failOpen: bool('Let the request pass when the service fails; default false.'),
  clearRouteCache: bool('Route again after the check.'),
  statusOnError: text('Status when the service fails; default 403.'),
  includeRequestBodyInCheck: bodyOptions,
};

const maxTagLength = uint32('Longest path in a span; default 256.');
const initialMetadata = list(
  'Metadata of the stream.',
  message('One entry.', { name: text('Name.'), value: text('Value.'), envName: text('Environment variable.') }),
);

const grpcService = message('Settings of the gRPC call.', {
  timeout: duration('Limit.', { minDurationMs: 0 }),
  initialMetadata,
});

const httpService = message('Settings of the HTTP call.', {
  path: text('Path.'),
  timeout: duration('Limit.', { minDurationMs: 0 }),
  headers: list('Headers.', message('One header.', { name: text('Name.'), value: text('Value.'), envName: text('Environment variable.') })),
});

const openTelemetryTracing = message('OpenTelemetry.', {
  ...endpoint,
  maxTagLength,
  http: httpService,
  grpc: grpcService,
  resourceDetectors: message('Sources of resource attributes.', {
    environment: message('OTEL_RESOURCE_ATTRIBUTES.', {}),
    dynatrace: message('Dynatrace files.', {}),
  }),
  dynatraceSampler: message('Sampling by Dynatrace.', {
    tenant: text('Tenant.'),
    clusterId: int32('Cluster.'),
    rootSpansPerMinute: uint32('Spans per minute.'),
    httpService: message('Where the configuration comes from.', { ...endpoint, http: httpService }),
  }),
});

const grpcAccessLog = {
  ...endpoint,
  logName: text('Name of the log.'),
  filterStateObjectsToLog: list('Filter state to log.', text()),
};

const httpLogHeaders = {
  additionalRequestHeadersToLog: list('Request headers to log.', text()),
  additionalResponseHeadersToLog: list('Response headers to log.', text()),
  additionalResponseTrailersToLog: list('Response trailers to log.', text()),
};

const PROVIDERS = {
  envoyExtAuthzHttp: message('External authorization over HTTP.', {
    ...extAuthzShared,
    pathPrefix: text('Put in front of the path.'),
    includeHeadersInCheck: list('Use includeRequestHeadersInCheck.', text()),
    includeRequestHeadersInCheck: list('Request headers sent to the service.', text()),
    includeAdditionalHeadersInCheck: map('Headers added to the check.', text()),
    headersToUpstreamOnAllow: list('Headers of the answer passed to the application.', text()),
    headersToDownstreamOnDeny: list('Headers of the answer passed to the caller on denial.', text()),
    headersToDownstreamOnAllow: list('Headers of the answer passed to the caller on success.', text()),
  }),
  envoyExtAuthzGrpc: message('External authorization over gRPC.', extAuthzShared),
  zipkin: message('Zipkin.', {
    ...endpoint,
    maxTagLength,
    enable64bitTraceId: bool('Short trace ids.'),
    path: text('Path; default /api/v2/spans.'),
    traceContextOption: choice('Trace headers.', ['USE_B3', 'USE_B3_WITH_W3C_PROPAGATION']),
    timeout: duration('Limit.', { minDurationMs: 0 }),
    headers: list(
      'Headers.',
      message('One header.', { name: text('Name.'), value: text('Value.'), envName: text('Environment variable.') }),
    ),
  }),
  lightstep: message('Not supported any more.', { ...endpoint, accessToken: text('Token.'), maxTagLength }),
  datadog: message('Datadog.', { ...endpoint, maxTagLength }),
  stackdriver: struct('Stackdriver.'),
  opencensus: struct('Not supported any more.'),
  skywalking: message('SkyWalking.', { ...endpoint, accessToken: text('Token.') }),
  opentelemetry: openTelemetryTracing,
  prometheus: message('Metrics scraped by Prometheus.', {}),
  envoyFileAccessLog: message('Access log in a file.', {
    path: text('Path, e.g. /dev/stdout.'),
    logFormat: message(
      'Format; default is the one of the mesh.',
      { text: text('Line format.'), labels: struct('JSON format.') },
      { oneOf: [{ fields: ['text', 'labels'] }] },
    ),
    omitEmptyValues: bool('Leave out empty values.'),
  }),
  envoyHttpAls: message('Access log over gRPC, HTTP entries.', { ...grpcAccessLog, ...httpLogHeaders }),
  envoyTcpAls: message('Access log over gRPC, TCP entries.', grpcAccessLog),
  envoyOtelAls: message('Access log over OpenTelemetry.', {
    ...endpoint,
    logName: text('Name of the log.'),
    logFormat: message('Format.', { text: text('Body.'), labels: struct('Attributes.') }),
  }),
  sds: message('Secret discovery over a socket.', { name: text('Name credentials start with.'), ...endpoint }),
};

export const extensionProvider = message(
  'One provider.',
  { name: text('Name others refer to.'), ...PROVIDERS },
  { oneOf: [{ fields: Object.keys(PROVIDERS) }] },
);
/** One entry of `extensionProviders`. */
export type ExtensionProvider = Static<typeof extensionProvider>;

/** The provider types, of which an entry has exactly one. */
export const PROVIDER_TYPES: readonly string[] = Object.keys(PROVIDERS);
