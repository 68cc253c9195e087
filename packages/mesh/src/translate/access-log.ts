// Whether and how this proxy logs: MeshConfig, then Telemetry of the root namespace, the namespace, the workload.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type AccessLog, AccessLogSchema, fileAccessLogger } from '@lateen/xds/messages/config';
import { compareAge, labelsMatch, refOf, type Telemetry } from '../model/index.ts';
import { extension } from './pack.ts';
import type { View } from './view.ts';

/** Istio's default text format. */
const DEFAULT_ACCESS_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% ' +
  '%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" ' +
  '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

const JSON_FIELDS: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  route_name: '%ROUTE_NAME%',
};

export type LogMode = 'CLIENT' | 'SERVER';

/** The access loggers of a listener's filters; none when logging is off. */
export function accessLogs(view: View, mode: LogMode): AccessLog[] {
  const path = accessLogPath(view, mode);
  if (path === '') return [];
  const { accessLogFormat, accessLogEncoding } = view.snapshot.mesh;
  const init: MessageInitShape<typeof fileAccessLogger.FileAccessLogSchema> = {
    path,
    accessLogFormat: {
      case: 'logFormat',
      value:
        accessLogEncoding === 'JSON'
          ? { format: { case: 'jsonFormat', value: jsonFields(accessLogFormat) } }
          : {
              format: {
                case: 'textFormatSource',
                value: { specifier: { case: 'inlineString', value: accessLogFormat || DEFAULT_ACCESS_LOG_FORMAT } },
              },
            },
    },
  };
  return [create(AccessLogSchema, extension('envoy.access_loggers.file', fileAccessLogger.FileAccessLogSchema, init))];
}

function jsonFields(format: string): Record<string, string> {
  if (format === '') return { ...JSON_FIELDS };
  try {
    return JSON.parse(format) as Record<string, string>;
  } catch {
    // Istio falls back to the default, too, when the configured format is not JSON.
    return { ...JSON_FIELDS };
  }
}

function accessLogPath(view: View, mode: LogMode): string {
  let path = view.snapshot.mesh.accessLogFile;
  for (const telemetry of telemetriesFor(view)) {
    telemetry.spec.accessLogging?.forEach((entry, index) => {
      const applies = !entry.match?.mode || entry.match.mode === 'CLIENT_AND_SERVER' || entry.match.mode === mode;
      if (!applies) return;
      if (entry.filter?.expression) unsupported(view, telemetry, `spec.accessLogging[${index}].filter`, 'an access log filter');
      if (entry.disabled) path = '';
      else if (!entry.providers?.length || entry.providers.some((provider) => provider.name === 'envoy')) path = path || '/dev/stdout';
      else unsupported(view, telemetry, `spec.accessLogging[${index}].providers`, `access log provider ${entry.providers[0]?.name}`);
    });
  }
  return path;
}

function unsupported(view: View, telemetry: Telemetry, path: string, what: string): void {
  if (view.findings.some((finding) => finding.path === path && finding.resource?.name === telemetry.metadata.name)) return;
  view.report({
    code: 'LAT0212',
    level: 'warning',
    resource: refOf(telemetry),
    path,
    message: `${what} is not supported yet and has no effect`,
  });
}

// Widest first; a narrower Telemetry overrides.
function telemetriesFor({ snapshot, scope }: View): Telemetry[] {
  const all = [...snapshot.telemetries.values()].sort(compareAge);
  const of = (namespace: string) => all.filter((telemetry) => telemetry.metadata.namespace === namespace);
  const wide = (list: Telemetry[]) => list.filter((telemetry) => !telemetry.spec.selector?.matchLabels).slice(0, 1);
  const root = snapshot.mesh.rootNamespace;
  const own = of(scope.namespace);
  const selected = own.filter(
    (telemetry) => telemetry.spec.selector?.matchLabels && labelsMatch(telemetry.spec.selector.matchLabels, scope.labels),
  );
  return [...wide(of(root)), ...(scope.namespace === root ? [] : wide(own)), ...selected.slice(0, 1)];
}
