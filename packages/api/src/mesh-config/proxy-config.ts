// The ProxyConfig message of MeshConfig.defaultConfig and of the annotation proxy.istio.io/config (not the ProxyConfig kind).

import { clientTls, tcpKeepalive } from '../networking/traffic-policy.ts';
import { bool, choice, double, duration, int32, list, map, message, type Static, struct, text, uint32 } from '../schema/build.ts';

export const customTag = message(
  'A tag added to spans.',
  {
    literal: message('A fixed value.', { value: text('The value.') }),
    environment: message('From an environment variable of the proxy.', { name: text('Name.'), defaultValue: text('Value when unset.') }),
    header: message('From a request header.', { name: text('Name.'), defaultValue: text('Value when absent.') }),
  },
  { oneOf: [{ fields: ['literal', 'environment', 'header'] }] },
);

export const tracingConfig = message(
  'Where spans go; Telemetry is the newer way.',
  {
    zipkin: message('Zipkin.', { address: text('host:port.') }),
    lightstep: message('Not supported any more.', { address: text('host:port.'), accessToken: text('Token.') }),
    datadog: message('Datadog.', { address: text('host:port.') }),
    stackdriver: message('Stackdriver.', {
      debug: bool('Print to the log.'),
      maxNumberOfAttributes: int32('Limit of attributes.'),
      maxNumberOfAnnotations: int32('Limit of annotations.'),
      maxNumberOfMessageEvents: int32('Limit of events.'),
    }),
    openCensusAgent: message('Not supported any more.', {
      address: text('host:port.'),
      context: list('Trace contexts.', choice('', ['UNSPECIFIED', 'W3C_TRACE_CONTEXT', 'GRPC_BIN', 'CLOUD_TRACE_CONTEXT', 'B3'])),
    }),
    customTags: map('Tags added to spans.', customTag),
    maxPathTagLength: uint32('Longest path in a span; default 256.'),
    sampling: double('Percentage of requests traced; default 1.', { minimum: 0, maximum: 100 }),
    tlsSettings: clientTls,
    enableIstioTags: bool('Add the tags of the mesh; default true.'),
  },
  { oneOf: [{ fields: ['zipkin', 'lightstep', 'datadog', 'stackdriver', 'openCensusAgent'] }] },
);

const remoteService = message('A gRPC service.', { address: text('host:port.'), tlsSettings: clientTls, tcpKeepalive });
const disabled = (description: string) => message(description, { disabled: bool('Switches it off.') });
const mode = choice('Forwarding of the client certificate.', [
  'UNDEFINED',
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
]);

const envVar = message('An environment variable.', {
  name: text('Name.'),
  value: text('Value.'),
  valueFrom: struct('Source of the value.'),
});

export const proxyHeaders = message('Headers the proxy writes.', {
  forwardedClientCert: mode,
  setCurrentClientCertDetails: message('Parts of x-forwarded-client-cert.', {
    subject: bool('Subject; default true.'),
    cert: bool('The certificate.'),
    chain: bool('The chain.'),
    dns: bool('DNS names; default true.'),
    uri: bool('URI; default true.'),
  }),
  requestId: disabled('x-request-id.'),
  server: message('The server header.', {
    disabled: bool('Pass on the one of the application.'),
    value: text('Its value; default istio-envoy.'),
  }),
  attemptCount: disabled('x-envoy-attempt-count.'),
  envoyDebugHeaders: disabled('x-envoy-* response headers.'),
  metadataExchangeHeaders: message('x-envoy-peer-metadata.', { mode: choice('Where it is sent.', ['UNDEFINED', 'IN_MESH']) }),
  preserveHttp1HeaderCase: bool('Keep the case of HTTP/1 headers.'),
  xForwardedHost: message('x-forwarded-host.', { enabled: bool('Add it.') }),
  xForwardedPort: message('x-forwarded-port.', { enabled: bool('Add it.') }),
});

export const proxyConfigValues = message(
  'Settings of a proxy.',
  {
    configPath: text('Folder of generated files.'),
    binaryPath: text('Path of the Envoy binary.'),
    serviceCluster: text('Name of the service the proxy belongs to.'),
    tracingServiceName: choice('How the service is named in traces.', [
      'APP_LABEL_AND_NAMESPACE',
      'CANONICAL_NAME_ONLY',
      'CANONICAL_NAME_AND_NAMESPACE',
    ]),
    drainDuration: duration('Time connections get to finish; default 45 s.'),
    discoveryAddress: text('host:port of the control plane.'),
    zipkinAddress: text('Use tracing.'),
    statsdUdpAddress: text('host:port of statsd.'),
    envoyMetricsServiceAddress: text('Use envoyMetricsService.'),
    proxyAdminPort: int32('Port of the admin interface; default 15000.'),
    controlPlaneAuthPolicy: choice('TLS to the control plane.', ['NONE', 'MUTUAL_TLS', 'INHERIT']),
    customConfigFile: text('Bootstrap to use instead of the generated one.'),
    statNameLength: int32('Longest name of a statistic; default 189.'),
    concurrency: int32('Worker threads; 0 for one per core.'),
    proxyBootstrapTemplatePath: text('Template of the bootstrap.'),
    interceptionMode: choice('How traffic is captured; default REDIRECT.', ['REDIRECT', 'TPROXY', 'NONE']),
    tracing: tracingConfig,
    envoyAccessLogService: remoteService,
    envoyMetricsService: remoteService,
    proxyMetadata: map('Environment of the proxy.', text()),
    runtimeValues: map('Envoy runtime values.', text()),
    statusPort: int32('Port of the agent; default 15020.'),
    extraStatTags: list('Tags extracted from statistics.', text()),
    gatewayTopology: message('Proxies in front of a gateway.', {
      numTrustedProxies: uint32('Trusted hops in x-forwarded-for; default 0.'),
      forwardClientCertDetails: mode,
      proxyProtocol: message('Accept the PROXY protocol.', {}),
    }),
    terminationDrainDuration: duration('Time after SIGTERM; default 5 s.', { minDurationMs: 0 }),
    meshId: text('Id of the mesh.'),
    readinessProbe: struct('Readiness of a VM workload.'),
    proxyStatsMatcher: message('Statistics beyond the default set.', {
      inclusionPrefixes: list('By prefix.', text()),
      inclusionSuffixes: list('By suffix.', text()),
      inclusionRegexps: list('By expression.', text()),
    }),
    holdApplicationUntilProxyStarts: bool('Start the application after the proxy; default false.'),
    caCertificatesPem: list('More root certificates.', text()),
    image: message('Image of the proxy.', { imageType: text('default, debug or distroless.') }),
    privateKeyProvider: message(
      'Hardware for private keys.',
      {
        cryptomb: message('CryptoMB.', {
          pollDelay: duration('Poll delay.', { minDurationMs: 0 }),
          fallback: bool('Fall back to software.'),
        }),
        qat: message('QAT.', { pollDelay: duration('Poll delay.', { minDurationMs: 0 }), fallback: bool('Fall back to software.') }),
      },
      { oneOf: [{ fields: ['cryptomb', 'qat'] }] },
    ),
    proxyHeaders,
    environmentVariables: list('Environment of the proxy.', envVar),
    fileFlushInterval: duration('Interval of log flushes; default 1 s.'),
    fileFlushMinSizeKb: uint32('Size of the log buffer; default 64.'),
    statsEvictionInterval: duration('Unused statistics are dropped after this time.', { minDurationMs: 0 }),
    statsFlushInterval: duration('Interval of statistics; default 5 s.'),
    connectionSettings: choice('EDGE hardens a gateway towards untrusted clients.', ['UNSPECIFIED', 'EDGE']),
  },
  { oneOf: [{ fields: ['serviceCluster', 'tracingServiceName'] }] },
);
/** `defaultConfig` of MeshConfig and the annotation `proxy.istio.io/config`. */
export type ProxyConfigValues = Static<typeof proxyConfigValues>;
