// ProxyConfig's proxyHeaders and gatewayTopology: what a proxy says about itself, its client and its tries in the headers it writes.

import { create } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import {
  HttpConnectionManager_ForwardClientCertDetails as ClientCert,
  type Http1ProtocolOptionsSchema,
  type HttpConnectionManagerSchema,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '@lateen/xds/messages/config';
import type { Protocol } from '../model/index.ts';
import type { FilterPlace } from './http-filters.ts';
import type { GatewayTopology, ProxyHeaders } from './node-settings.ts';
import type { InitOf } from './pack.ts';

type ManagerInit = InitOf<typeof HttpConnectionManagerSchema>;

const PRESERVE_CASE = 'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';

/** `topology` is a gateway's. */
export function managerHeaders(headers: ProxyHeaders, topology: GatewayTopology, place: FilterPlace): ManagerInit {
  return {
    ...serverHeader(headers, place),
    ...(place === 'gateway' ? behindProxies(topology) : clientCert(headers, place)),
    ...(headers.requestId?.disabled && { generateRequestId: false }),
    ...(headers.xForwardedPort?.enabled && { appendXForwardedPort: true }),
    ...(headers.preserveHttp1HeaderCase && { httpProtocolOptions: preserveCase() }),
  };
}

function serverHeader({ server }: ProxyHeaders, place: FilterPlace): ManagerInit {
  if (server?.disabled) return { serverHeaderTransformation: ServerHeader.PASS_THROUGH };
  // Towards its own application a sidecar keeps the proxy's default name, as in Istio.
  const serverName = server?.value || (place === 'outbound' ? '' : 'istio-envoy');
  return { serverName };
}

function behindProxies({ numTrustedProxies = 0, forwardClientCertDetails: mode }: GatewayTopology): ManagerInit {
  return {
    xffNumTrustedHops: numTrustedProxies,
    forwardClientCertDetails: ClientCert[mode && mode !== 'UNDEFINED' ? mode : 'SANITIZE_SET'],
    setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true },
  };
}

// Towards the outside nothing is said about a client.
function clientCert({ forwardedClientCert, setCurrentClientCertDetails: details }: ProxyHeaders, place: FilterPlace): ManagerInit {
  if (place !== 'inbound') return {};
  const mode = forwardedClientCert && forwardedClientCert !== 'UNDEFINED' ? forwardedClientCert : 'APPEND_FORWARD';
  return {
    forwardClientCertDetails: ClientCert[mode],
    setCurrentClientCertDetails: {
      subject: details?.subject ?? true,
      dns: details?.dns ?? true,
      uri: details?.uri ?? true,
      cert: details?.cert ?? false,
      chain: details?.chain ?? false,
    },
  };
}

/** For a cluster of this protocol: only ports of HTTP/1.1, known or sniffed, keep the case. */
export function clusterHttp1Options(headers: ProxyHeaders, protocol: Protocol): InitOf<typeof Http1ProtocolOptionsSchema> | undefined {
  return headers.preserveHttp1HeaderCase && (protocol === 'HTTP' || protocol === 'Sniffed') ? preserveCase() : undefined;
}

// Its settings are all defaults, thus no bytes: loading the message to write none would cost memory.
const preserveCase = (): InitOf<typeof Http1ProtocolOptionsSchema> => ({
  headerKeyFormat: {
    headerFormat: {
      case: 'statefulFormatter',
      value: { name: 'preserve_case', typedConfig: create(AnySchema, { typeUrl: `type.googleapis.com/${PRESERVE_CASE}` }) },
    },
  },
});

/** Of every virtual host for other services: whether requests carry x-envoy-attempt-count. */
export const hostHeaders = ({ attemptCount }: ProxyHeaders) => ({ includeRequestAttemptCount: !attemptCount?.disabled });

/** Of every route to other services: the host before a rewrite, in x-forwarded-host. */
export const routeHeaders = ({ xForwardedHost }: ProxyHeaders) => (xForwardedHost?.enabled ? { appendXForwardedHost: true } : {});
