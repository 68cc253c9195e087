// Whether and how this proxy logs: MeshConfig, then Telemetry of the root namespace, the namespace, the workload.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type AccessLog, AccessLogSchema, celAccessLogFilter, fileAccessLogger } from '@lateen/xds/messages/config';
import { refOf, type Telemetry } from '../model/index.ts';
import { extension } from './pack.ts';
import { isAbout, type TrafficSide, telemetriesFor } from './telemetry.ts';
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

/** The access loggers of a listener's filters; none when logging is off. */
export function accessLogs(view: View, side: TrafficSide): AccessLog[] {
  const { path, expression } = settingsOf(view, side);
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
  return [
    create(AccessLogSchema, {
      ...extension('envoy.access_loggers.file', fileAccessLogger.FileAccessLogSchema, init),
      ...(expression !== '' && { filter: celFilter(expression) }),
    }),
  ];
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

const celFilter = (expression: string) => ({
  filterSpecifier: {
    case: 'extensionFilter' as const,
    value: extension('envoy.access_loggers.extension_filters.cel', celAccessLogFilter.ExpressionFilterSchema, { expression }),
  },
});

/** An empty path: no log; an empty expression: everything is logged. */
function settingsOf(view: View, side: TrafficSide): { path: string; expression: string } {
  let path = view.snapshot.mesh.accessLogFile;
  let expression = '';
  for (const telemetry of telemetriesFor(view)) {
    telemetry.spec.accessLogging?.forEach((entry, index) => {
      if (!isAbout(side, entry.match)) return;
      if (entry.disabled) path = '';
      else if (!entry.providers?.length || entry.providers.some((provider) => provider.name === 'envoy')) {
        path = path || '/dev/stdout';
        expression = entry.filter?.expression ?? expression;
      } else unsupported(view, telemetry, `spec.accessLogging[${index}].providers`, `access log provider ${entry.providers[0]?.name}`);
    });
  }
  return { path, expression };
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
