// Envoy's attributes of requests and connections, as CEL expressions name them. Each is made when an expression asks for it.

import type { CelScope } from '@lateen/base/cel';
import { type CelResult, CelStruct, type CelValue, celOf, FAILED } from '@lateen/base/cel';
import type { PeerMetadata, RequestRecord } from '../http/request-record.ts';
import { grpcStatusOf } from './format.ts';

type Read = (record: RequestRecord) => CelResult;
type Fields = Readonly<Record<string, Read>>;

const whole = (value: number | undefined): CelResult => (value === undefined ? FAILED : BigInt(Math.trunc(value)));
const text = (value: string | undefined): CelResult => value ?? FAILED;
/** What an empty text says is unknown. */
const known = (value: string | undefined): CelResult => value || FAILED;
const headersOf = (read: (name: string) => string | undefined): CelValue => new CelStruct((name) => text(read(name.toLowerCase())));
const portOf = (address: string): CelResult => (address.includes(':') ? BigInt(address.slice(address.lastIndexOf(':') + 1) || 0) : FAILED);
/** An Envoy Metadata message. */
const metadataOf = (byFilter: ReadonlyMap<string, unknown> | undefined): CelResult =>
  new CelStruct((field) => (field === 'filter_metadata' && byFilter ? celOf(byFilter) : FAILED));

const ATTRIBUTES: Readonly<Record<string, Fields>> = {
  request: {
    path: ({ path }) => text(path),
    url_path: ({ path }) => text(path.split('?', 1)[0]),
    query: ({ path }) => path.split('?').slice(1).join('?'),
    host: ({ authority }) => text(authority),
    scheme: (record) => text(record.requestHeader(':scheme')),
    method: ({ method }) => text(method),
    headers: (record) => headersOf((name) => record.requestHeader(name)),
    referer: (record) => text(record.requestHeader('referer')),
    useragent: (record) => text(record.requestHeader('user-agent')),
    id: (record) => text(record.requestHeader('x-request-id')),
    protocol: ({ protocol }) => known(protocol),
    size: ({ bytesReceived }) => whole(bytesReceived),
    total_size: ({ bytesReceived, headerBytes }) => whole(bytesReceived + (headerBytes?.request() ?? 0)),
  },
  response: {
    code: ({ responseCode }) => whole(responseCode),
    code_details: ({ responseCodeDetails }) => known(responseCodeDetails),
    flags: ({ responseFlags }) => whole(responseFlags),
    grpc_status: (record) => whole(grpcStatusOf(record)),
    headers: (record) => headersOf((name) => record.responseHeader(name)),
    trailers: (record) => headersOf((name) => record.responseTrailer(name)),
    size: ({ bytesSent }) => whole(bytesSent),
    total_size: ({ bytesSent, headerBytes }) => whole(bytesSent + (headerBytes?.response() ?? 0) + (headerBytes?.responseTrailers() ?? 0)),
  },
  source: {
    address: (record) => known(record.downstreamRemoteAddress),
    port: (record) => portOf(record.downstreamRemoteAddress),
  },
  destination: {
    address: ({ connection }) => text(connection.localAddress),
    port: ({ connection }) => whole(connection.localPort),
  },
  connection: {
    id: ({ connection }) => whole(connection.id),
    mtls: ({ connection }) => connection.mutualTls,
    requested_server_name: ({ connection }) => text(connection.requestedServerName),
    tls_version: ({ connection }) => text(connection.tls?.version),
    subject_local_certificate: ({ connection }) => text(connection.tls?.local?.subject),
    subject_peer_certificate: ({ connection }) => text(connection.tls?.peer?.subject),
    uri_san_local_certificate: ({ connection }) => text(connection.tls?.local?.uriSans[0]),
    uri_san_peer_certificate: ({ connection }) => text(connection.tls?.peer?.uriSans[0]),
    dns_san_local_certificate: ({ connection }) => text(connection.tls?.local?.dnsSans[0]),
    dns_san_peer_certificate: ({ connection }) => text(connection.tls?.peer?.dnsSans[0]),
    sha256_peer_certificate_digest: ({ connection }) => text(connection.tls?.peer?.fingerprint256.replaceAll(':', '').toLowerCase()),
    termination_details: ({ connectionTerminationDetails }) => known(connectionTerminationDetails),
  },
  upstream: {
    address: ({ upstreamHost }) => known(upstreamHost),
    port: ({ upstreamHost }) => portOf(upstreamHost),
    local_address: ({ upstreamLocalAddress }) => known(upstreamLocalAddress),
    transport_failure_reason: ({ upstreamTransportFailureReason }) => text(upstreamTransportFailureReason),
    request_attempt_count: ({ upstreamAttemptCount }) => whole(upstreamAttemptCount),
    tls_version: ({ upstreamTls }) => text(upstreamTls?.version),
    subject_peer_certificate: ({ upstreamTls }) => text(upstreamTls?.peer?.subject),
    uri_san_peer_certificate: ({ upstreamTls }) => text(upstreamTls?.peer?.uriSans[0]),
    dns_san_peer_certificate: ({ upstreamTls }) => text(upstreamTls?.peer?.dnsSans[0]),
  },
  xds: {
    cluster_name: ({ cluster }) => text(cluster?.name),
    cluster_metadata: ({ cluster }) => metadataOf(cluster?.metadata),
    route_name: ({ routeName }) => text(routeName),
    route_metadata: ({ decision }) => metadataOf(decision?.route?.metadata),
    virtual_host_name: ({ virtualHostName }) => known(virtualHostName),
    virtual_host_metadata: ({ decision }) => metadataOf(decision?.virtualHost?.metadata),
    upstream_host_metadata: ({ endpoint }) => metadataOf(endpoint?.metadata),
  },
  metadata: { filter_metadata: ({ dynamicMetadata }) => (dynamicMetadata ? celOf(dynamicMetadata) : FAILED) },
};

/** Istio's view of the other workload. */
const peerOf = (peer: PeerMetadata | undefined): CelResult =>
  peer
    ? new CelStruct((field) => {
        const { workloadName, namespace, clusterId, labels } = peer;
        if (field !== 'labels')
          return known({ workload: workloadName, namespace, cluster: clusterId, app: labels['app'], version: labels['version'] }[field]);
        // Istio's own labels are messages with a value.
        return new CelStruct((label) =>
          labels[label] === undefined ? FAILED : new CelStruct((part) => (part === 'value' ? text(labels[label]) : FAILED)),
        );
      })
    : FAILED;

const TCP_KNOWS = new Set(['source', 'destination', 'connection', 'upstream', 'xds', 'metadata']);

/** The names that an expression over this record may begin with. */
export const scopeOf =
  (record: RequestRecord): CelScope =>
  (name) => {
    if (name === 'filter_state') {
      return new CelStruct((key) => {
        if (key === 'upstream_peer' || key === 'downstream_peer')
          return peerOf(key === 'upstream_peer' ? record.upstreamPeer : record.downstreamPeer);
        return text(record.filterStateText?.(key));
      });
    }
    if (name === 'upstream_peer') return peerOf(record.upstreamPeer);
    if (name === 'downstream_peer') return peerOf(record.downstreamPeer);
    const fields = Object.hasOwn(ATTRIBUTES, name) && (record.kind === 'http' || TCP_KNOWS.has(name)) ? ATTRIBUTES[name] : undefined;
    return fields ? new CelStruct((field) => (Object.hasOwn(fields, field) ? (fields[field] as Read)(record) : FAILED)) : FAILED;
  };
