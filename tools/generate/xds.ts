// Generates the xDS messages: Envoy's .proto files out of the @grpc/grpc-js-xds package, plus the few of Istio's that no
// package carries (packages/xds/proto), through buf and protoc-gen-es. Only the files that ROOTS reach are kept.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type DescriptorProto, type EnumDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { generateValidationRules } from './xds-rules.ts';

const root = resolve(import.meta.dirname, '../..');
const deps = join(root, 'node_modules/@grpc/grpc-js-xds/deps');

const http = (name: string) => `envoy/extensions/filters/http/${name}/v3`;
const network = (name: string) => `envoy/extensions/filters/network/${name}/v3`;
const listener = (name: string) => `envoy/extensions/filters/listener/${name}/v3`;

/** The files whose closure is generated. Add the extension that you need; everything it imports follows. */
const ROOTS = [
  'envoy/admin/v3',
  'envoy/config/bootstrap/v3',
  'envoy/config/cluster/v3',
  'envoy/config/endpoint/v3',
  'envoy/config/listener/v3',
  'envoy/config/route/v3',
  'envoy/config/trace/v3/zipkin.proto',
  'envoy/config/trace/v3/opentelemetry.proto',
  'envoy/data/cluster/v3/outlier_detection_event.proto',
  'envoy/service/discovery/v3',
  'envoy/service/secret/v3',
  'envoy/service/status/v3',
  'envoy/type/http/v3',
  'envoy/extensions/access_loggers/file/v3',
  'envoy/extensions/clusters/dns/v3',
  'envoy/extensions/health_check/event_sinks/file/v3',
  'envoy/extensions/network/dns_resolver/cares/v3',
  'envoy/extensions/network/dns_resolver/getaddrinfo/v3',
  'envoy/extensions/access_loggers/filters/cel/v3',
  'envoy/extensions/access_loggers/stream/v3',
  'envoy/extensions/formatter/metadata/v3',
  'envoy/extensions/formatter/req_without_query/v3',
  'envoy/extensions/http/early_header_mutation/header_mutation/v3',
  'envoy/extensions/http/header_formatters/preserve_case/v3',
  'envoy/extensions/http/original_ip_detection',
  'envoy/extensions/internal_redirect',
  'envoy/extensions/load_balancing_policies',
  'envoy/extensions/path/match/uri_template/v3',
  'envoy/extensions/path/rewrite/uri_template/v3',
  'envoy/extensions/request_id/uuid/v3',
  'envoy/extensions/resource_monitors/downstream_connections/v3',
  'envoy/extensions/resource_monitors/fixed_heap/v3',
  'envoy/extensions/retry',
  'envoy/extensions/transport_sockets/internal_upstream/v3',
  'envoy/extensions/transport_sockets/proxy_protocol/v3',
  'envoy/extensions/transport_sockets/raw_buffer/v3',
  'envoy/extensions/transport_sockets/tls/v3',
  'envoy/extensions/upstreams/http/v3',
  ...['buffer', 'compressor', 'cors', 'ext_authz', 'fault', 'grpc_stats', 'grpc_web', 'header_mutation', 'header_to_metadata'].map(http),
  ...['health_check', 'jwt_authn', 'local_ratelimit', 'lua', 'ratelimit', 'rbac', 'router', 'set_filter_state'].map(http),
  ...['set_metadata', 'wasm'].map(http),
  ...['connection_limit', 'ext_authz', 'http_connection_manager', 'local_ratelimit', 'rbac', 'set_filter_state'].map(network),
  ...['direct_response', 'echo', 'sni_cluster', 'tcp_proxy'].map(network),
  ...['http_inspector', 'local_ratelimit', 'original_dst', 'proxy_protocol', 'tls_inspector'].map(listener),
];

/** The package ships Envoy's tree but not everything that the tree imports; these edits close the gaps. */
const PATCHES: { file: string; find: string | RegExp; replace: string }[] = [
  // opencensus messages are not in the package, and Istio no longer emits them.
  { file: 'envoy/config/trace/v3/trace.proto', find: /import public "envoy\/config\/trace\/v3\/opencensus.proto";\r?\n/, replace: '' },
  // Envoy has further fields for the same (NEWER_FIELDS), so none of the older ones is required.
  {
    file: 'envoy/config/common/mutation_rules/v3/mutation_rules.proto',
    find: /option \(validate\.required\) = true;/,
    replace: '',
  },
  {
    file: 'envoy/config/core/v3/base.proto',
    find: 'KeyValue entry = 1 [(validate.rules).message = {required: true}];',
    replace: 'KeyValue entry = 1;',
  },
  // The package's validate.proto is older than Envoy's use of it.
  {
    file: 'validate/validate.proto',
    find: /message StringRules \{/,
    replace: 'message StringRules {\n    optional bool ignore_empty = 26;\n',
  },
];

/** Fields that Envoy 1.40 has and the package's older tree lacks: `messages` gives the lines to put into each message. */
const NEWER_FIELDS: { file: string; imports?: string[]; messages: Record<string, string>; append?: string }[] = [
  {
    file: 'envoy/config/route/v3/route_components.proto',
    imports: [
      'envoy/config/common/mutation_rules/v3/mutation_rules.proto',
      'envoy/config/core/v3/substitution_format_string.proto',
      'envoy/type/matcher/v3/filter_state.proto',
    ],
    messages: {
      VirtualHost: 'google.protobuf.UInt64Value request_body_buffer_limit = 25;',
      Route: 'google.protobuf.UInt64Value request_body_buffer_limit = 20;',
      WeightedCluster: 'google.protobuf.BoolValue use_hash_policy = 5;',
      RouteMatch: 'repeated type.matcher.v3.FilterStateMatcher filter_state = 16; repeated CookieMatcher cookies = 17;',
      RouteAction: 'google.protobuf.Duration flush_timeout = 42; string host_rewrite = 44; string path_rewrite = 45;',
      RequestMirrorPolicy:
        'repeated config.common.mutation_rules.v3.HeaderMutation request_headers_mutations = 7; string host_rewrite_literal = 8;',
      RedirectAction: 'string path_rewrite = 10;',
      DirectResponseAction: 'core.v3.SubstitutionFormatString body_format = 3;',
      HeaderValueMatch: 'string default_value = 5;',
      QueryParameterValueMatch: 'string default_value = 5;',
      GenericKey: 'string default_value = 3;',
      RetryPolicy: 'bool refresh_cluster_on_retry = 14;',
    },
    append: 'message CookieMatcher { string name = 1; type.matcher.v3.StringMatcher string_match = 2; bool invert_match = 3; }',
  },
  {
    file: 'envoy/config/cluster/v3/cluster.proto',
    messages: { Cluster: 'google.protobuf.Duration dns_jitter = 58 [(validate.rules).duration = {gte {}}];' },
  },
  { file: 'envoy/config/route/v3/route.proto', messages: { RouteConfiguration: 'string vhost_header = 18;' } },
  {
    file: 'envoy/config/common/mutation_rules/v3/mutation_rules.proto',
    imports: ['envoy/type/matcher/v3/string.proto'],
    messages: {
      HeaderMutation: 'message RemoveOnMatch { type.matcher.v3.StringMatcher key_matcher = 1; } RemoveOnMatch remove_on_match = 3;',
    },
  },
  {
    file: 'envoy/config/core/v3/base.proto',
    messages: { KeyValueAppend: 'KeyValuePair record = 3;' },
    append: 'message KeyValuePair { string key = 1; google.protobuf.Value value = 2; }',
  },
  {
    file: 'envoy/config/core/v3/protocol.proto',
    messages: {
      HttpProtocolOptions: 'google.protobuf.UInt32Value max_response_headers_kb = 7; type.v3.Percent max_connection_duration_jitter = 8;',
      Http2ProtocolOptions:
        'google.protobuf.UInt64Value max_metadata_size = 17; google.protobuf.BoolValue enable_huffman_encoding = 18; ' +
        'google.protobuf.UInt32Value max_header_field_size_kb = 19; google.protobuf.BoolValue disallow_obs_text = 20; ' +
        'google.protobuf.UInt64Value stream_reset_burst = 21; google.protobuf.UInt64Value stream_reset_rate = 22;',
    },
  },
  {
    file: 'envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto',
    imports: ['envoy/config/core/v3/base.proto'],
    messages: {
      Mutations:
        'repeated config.core.v3.KeyValueMutation query_parameter_mutations = 3; ' +
        'repeated config.common.mutation_rules.v3.HeaderMutation response_trailers_mutations = 4; ' +
        'repeated config.common.mutation_rules.v3.HeaderMutation request_trailers_mutations = 5;',
    },
  },
  {
    file: 'envoy/config/cluster/v3/circuit_breaker.proto',
    imports: ['google/protobuf/duration.proto'],
    messages: { RetryBudget: 'google.protobuf.Duration budget_interval = 3;' },
  },
  {
    file: 'envoy/config/cluster/v3/outlier_detection.proto',
    messages: { OutlierDetection: 'google.protobuf.BoolValue detect_degraded_hosts = 26;' },
  },
  {
    file: 'envoy/config/core/v3/health_check.proto',
    messages: { HealthCheck: 'string name = 27;', HttpHealthCheck: 'bool use_alpn_protocol = 15;' },
  },
  {
    file: 'envoy/config/listener/v3/listener.proto',
    messages: {
      AdditionalAddress: 'core.v3.TcpKeepalive tcp_keepalive = 3;',
      Listener: 'core.v3.TcpKeepalive tcp_keepalive = 37;',
    },
  },
  {
    file: 'envoy/extensions/http/original_ip_detection/xff/v3/xff.proto',
    imports: ['envoy/config/core/v3/address.proto', 'google/protobuf/wrappers.proto'],
    messages: { XffConfig: 'XffTrustedCidrs xff_trusted_cidrs = 2; google.protobuf.BoolValue skip_xff_append = 3;' },
    append: 'message XffTrustedCidrs { repeated config.core.v3.CidrRange cidrs = 1; }',
  },
  {
    file: 'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
    messages: {
      TlsInspector:
        'google.protobuf.BoolValue enable_ja4_fingerprinting = 3; bool close_connection_on_client_hello_parsing_errors = 4; ' +
        'google.protobuf.UInt32Value max_client_hello_size = 5;',
    },
  },
  {
    file: 'envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto',
    imports: ['envoy/config/core/v3/backoff.proto', 'envoy/type/v3/percent.proto'],
    messages: {
      TcpProxy:
        'config.core.v3.BackoffStrategy backoff_options = 18; type.v3.Percent max_downstream_connection_duration_jitter_percentage = 20; ' +
        'google.protobuf.BoolValue check_drain_close = 24;',
      TunnelingConfig: 'string request_id_header = 8; string request_id_metadata_key = 9;',
      TcpAccessLogOptions: 'bool flush_access_log_on_start = 3;',
    },
  },
  {
    file: 'envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.proto',
    messages: { Config: 'string stat_prefix = 3;' },
  },
  {
    file: 'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
    imports: ['envoy/config/route/v3/route_components.proto'],
    messages: {
      HttpProtocolOptions:
        'repeated config.route.v3.RouteAction.RequestMirrorPolicy request_mirror_policies = 9; ' +
        'repeated config.route.v3.RouteAction.HashPolicy hash_policy = 10; config.route.v3.RetryPolicy retry_policy = 11;',
    },
  },
  { file: 'envoy/extensions/filters/http/fault/v3/fault.proto', messages: { FaultAbort: 'string response_body = 6;' } },
  {
    file: 'envoy/extensions/transport_sockets/tls/v3/tls.proto',
    messages: {
      UpstreamTlsContext: 'bool auto_host_sni = 6; bool auto_sni_san_validation = 7;',
      DownstreamTlsContext: 'bool prefer_client_ciphers = 11;',
      CommonTlsContext: 'config.core.v3.TypedExtensionConfig custom_tls_certificate_selector = 16;',
    },
  },
  {
    file: 'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
    imports: ['envoy/config/route/v3/route_components.proto'],
    messages: {
      LocalRateLimit:
        'repeated config.route.v3.RateLimit rate_limits = 17; google.protobuf.UInt32Value max_dynamic_descriptors = 18; ' +
        'bool enable_retry_after_header = 19;',
    },
  },
  {
    file: 'envoy/extensions/common/ratelimit/v3/ratelimit.proto',
    messages: { LocalRateLimitDescriptor: 'bool shadow_mode = 3;' },
  },
  {
    file: 'envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto',
    messages: { Config: 'bool clear_route_cache = 2;' },
  },
  {
    file: 'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
    messages: {
      HttpConnectionManager:
        'bool http1_safe_max_connection_duration = 58; google.protobuf.Duration stream_flush_timeout = 59; ' +
        'type.v3.Percent drain_timeout_jitter = 62;',
      SetCurrentClientCertDetails: 'bool issuer = 8;',
    },
  },
];

function addNewerFields(protoDir: string): void {
  for (const { file, imports = [], messages, append = '' } of NEWER_FIELDS) {
    const path = join(protoDir, file);
    let text = readFileSync(path, 'utf8');
    for (const [message, fields] of Object.entries(messages)) {
      const opening = new RegExp(`message ${message} \\{`);
      if (!opening.test(text)) throw new Error(`${file} has no message ${message}`);
      text = text.replace(opening, (line) => `${line}\n${fields}`);
    }
    const lines = imports.filter((name) => !text.includes(`import "${name}"`)).map((name) => `import "${name}";\n`);
    writeFileSync(path, `${text.replace(/^import /m, () => `${lines.join('')}import `)}\n${append}\n`);
  }
}

const ANNOTATIONS = /^(validate|udpa\/annotations|xds\/annotations|envoy\/annotations)\//;

/**
 * Drops the validation and versioning annotations from a descriptor image. Nothing here reads them, and every process that
 * loads the messages would parse and hold them: without them the messages cost about half the memory.
 */
function withoutAnnotations(image: Uint8Array): Uint8Array {
  const set = fromBinary(FileDescriptorSetSchema, image);
  for (const file of set.file) {
    const kept = file.dependency.map((name, index) => ({ name, index })).filter(({ name }) => !ANNOTATIONS.test(name));
    const indexOf = new Map(kept.map(({ index }, position) => [index, position]));
    file.dependency = kept.map(({ name }) => name);
    file.publicDependency = file.publicDependency.flatMap((index) => indexOf.get(index) ?? []);
    file.weakDependency = [];
    if (file.options) delete file.options.$unknown;
    file.messageType.forEach(dropMessageOptions);
    file.enumType.forEach(dropEnumOptions);
    for (const service of file.service) {
      delete service.options?.$unknown;
      for (const method of service.method) delete method.options?.$unknown;
    }
  }
  set.file = set.file.filter(({ name }) => !ANNOTATIONS.test(name));
  return toBinary(FileDescriptorSetSchema, set);
}

function dropMessageOptions(message: DescriptorProto): void {
  delete message.options?.$unknown;
  for (const field of [...message.field, ...message.extension, ...message.oneofDecl]) delete field.options?.$unknown;
  message.nestedType.forEach(dropMessageOptions);
  message.enumType.forEach(dropEnumOptions);
}

function dropEnumOptions(type: EnumDescriptorProto): void {
  delete type.options?.$unknown;
  for (const value of type.value) delete value.options?.$unknown;
}

/** Writes the generated sources to `outDir`, emptied first. */
export function generateXdsMessages(outDir: string): void {
  const work = mkdtempSync(join(tmpdir(), 'lateen-xds-'));
  try {
    for (const tree of ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate']) {
      cpSync(join(deps, tree), join(work, 'proto'), { recursive: true });
    }
    rmSync(join(work, 'proto/tests'), { recursive: true, force: true });
    rmSync(join(work, 'proto/java'), { recursive: true, force: true });
    cpSync(join(root, 'packages/xds/proto'), join(work, 'proto'), { recursive: true });
    for (const { file, find, replace } of PATCHES) {
      const path = join(work, 'proto', file);
      const before = readFileSync(path, 'utf8');
      const after = before.replace(find, replace);
      if (after === before) throw new Error(`the patch for ${file} no longer applies; look at its new text`);
      writeFileSync(path, after);
    }
    addNewerFields(join(work, 'proto'));
    const otel = join(work, 'proto/opentelemetry/proto/common/v1/common.proto');
    mkdirSync(dirname(otel), { recursive: true });
    writeFileSync(
      otel,
      'syntax = "proto3";\npackage opentelemetry.proto.common.v1;\nmessage AnyValue { string string_value = 1; }\n' +
        'message KeyValue { string key = 1; AnyValue value = 2; }\nmessage KeyValueList { repeated KeyValue values = 1; }\n',
    );
    writeFileSync(join(work, 'buf.yaml'), 'version: v2\nmodules:\n  - path: proto\n');
    writeFileSync(
      join(work, 'buf.gen.yaml'),
      [
        'version: v2',
        'plugins:',
        `  - local: ${join(root, 'node_modules/.bin/protoc-gen-es')}`,
        '    out: gen',
        '    strategy: all',
        '    include_imports: true',
        '    opt: [target=ts, erasable_syntax=true, import_extension=ts]',
        '',
      ].join('\n'),
    );
    const buf = join(root, 'node_modules/.bin/buf');
    const image = join(work, 'image.binpb');
    const paths = [...ROOTS, 'istio', 'io', 'stats', 'envoy/tcp/metadataexchange'].flatMap((path) => ['--path', `proto/${path}`]);
    execFileSync(buf, ['build', '--exclude-source-info', ...paths, '-o', image], { cwd: work, stdio: 'inherit' });
    const rules = generateValidationRules(readFileSync(image));
    writeFileSync(image, withoutAnnotations(readFileSync(image)));
    execFileSync(buf, ['generate', image], { cwd: work, stdio: 'inherit' });
    rmSync(outDir, { recursive: true, force: true });
    cpSync(join(work, 'gen'), outDir, { recursive: true });
    writeFileSync(join(outDir, 'validation-rules.ts'), rules);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.main) generateXdsMessages(join(root, 'packages/xds/src/messages/gen'));
