// Istio's metadata exchange over headers: the caller says who it is in x-envoy-peer-metadata(-id), the callee answers alike. The
// value is a base64 protobuf Struct; what is learned labels the metrics of both ends.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Struct, StructSchema, type Value } from '@bufbuild/protobuf/wkt';
import type { NodeIdentity } from '../http/context.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PeerMetadata } from '../http/request-record.ts';
import type { HttpFilterRuntime } from '../runtime/model.ts';
import type { HttpFilter } from './filter.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'peer_metadata' }>;

const METADATA = 'x-envoy-peer-metadata';
const METADATA_ID = 'x-envoy-peer-metadata-id';
/** Metadata longer than this is not read. */
const MAX_BASE64 = 16 * 1024;

export function createPeerMetadataFilter(config: Config, node: NodeIdentity): HttpFilter {
  const { peer } = config;
  const own = encodeOwn(node);
  const readsCaller = peer.downstreamDiscovery.includes('istio_headers');
  const readsCallee = peer.upstreamDiscovery.includes('istio_headers');
  return {
    name: config.name,
    onRequest(exchange) {
      const { head } = exchange;
      if (readsCaller) exchange.downstreamPeer = readPeer(head.value(METADATA), head.value(METADATA_ID));
      // Whether the caller understands an answer must be remembered before its headers go.
      if (exchange.downstreamPeer) exchange.setState(config.name, true);
      head.remove(METADATA);
      head.remove(METADATA_ID);
      if (peer.propagateUpstream && !(peer.skipExternalClusters && leadsOutside(exchange))) {
        head.add(METADATA, own);
        head.add(METADATA_ID, node.id);
      }
      return 'continue';
    },
    onResponse(exchange, head) {
      if (readsCallee && head.has(METADATA_ID)) exchange.upstreamPeer = readPeer(head.value(METADATA), head.value(METADATA_ID));
      head.remove(METADATA);
      head.remove(METADATA_ID);
      if (peer.propagateDownstream && exchange.getState(config.name)) {
        head.add(METADATA, own);
        head.add(METADATA_ID, node.id);
      }
    },
  };
}

const UNDECLARED: ReadonlySet<string> = new Set(['PassthroughCluster', 'BlackHoleCluster', 'InboundPassthroughCluster']);

/** To what no service declares, or one outside the mesh does; Istio says so in the cluster's metadata. */
function leadsOutside(exchange: Exchange): boolean {
  const decision = exchange.route();
  if (decision.kind !== 'forward') return false;
  if (UNDECLARED.has(decision.cluster)) return true;
  const istio = exchange.context.proxy.clusters.get(decision.cluster)?.runtime.metadata.get('istio');
  return istio?.['external'] === true || istio?.['disable_mx'] === true;
}

// A mesh has few distinct peers; each sends the same bytes with every request.
const known = new Map<string, PeerMetadata>();
const MAX_KNOWN = 500;

function readPeer(encoded: string | undefined, id: string | undefined): PeerMetadata | undefined {
  if (encoded === undefined || encoded.length > MAX_BASE64) return undefined;
  const key = `${id ?? ''}\n${encoded}`;
  let peer = known.get(key);
  if (!peer) {
    peer = decodePeer(encoded, id ?? '');
    if (!peer) return undefined;
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, peer);
  }
  return peer;
}

function decodePeer(encoded: string, id: string): PeerMetadata | undefined {
  try {
    return peerOf(fromBinary(StructSchema, Buffer.from(encoded, 'base64')), id);
  } catch {
    return undefined;
  }
}

/** What a peer says of itself, whatever way it came. */
export function peerOf(struct: Struct, id: string): PeerMetadata {
  const fields = plainStruct(struct);
  const text = (name: string) => {
    const value = fields.get(name);
    return typeof value === 'string' ? value : '';
  };
  const labels: Record<string, string> = {};
  const told = fields.get('LABELS');
  if (told instanceof Map) for (const [name, value] of told) if (typeof value === 'string') labels[name] = value;
  const other: Record<string, string> = {};
  for (const [name, value] of fields) if (typeof value === 'string') other[name] = value;
  return {
    id,
    workloadName: text('WORKLOAD_NAME'),
    namespace: text('NAMESPACE'),
    labels: Object.assign(Object.create(null), labels),
    clusterId: text('CLUSTER_ID'),
    other: Object.assign(Object.create(null), other),
  };
}

function plainStruct(struct: Struct): Map<string, unknown> {
  return new Map(Object.entries(struct.fields).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue({ kind }: Value): unknown {
  if (kind.case === 'structValue') return plainStruct(kind.value);
  if (kind.case === 'listValue') return kind.value.values.map(plainValue);
  return kind.value;
}

/** What Istio's proxies tell each other of themselves. */
const OWN_FIELDS = ['NAME', 'NAMESPACE', 'OWNER', 'WORKLOAD_NAME', 'CLUSTER_ID', 'MESH_ID', 'INSTANCE_IPS', 'APP_CONTAINERS'] as const;

const encodeOwn = (node: NodeIdentity): string => Buffer.from(toBinary(StructSchema, ownMetadata(node))).toString('base64');

/** What this proxy says of itself. */
export function ownMetadata(node: NodeIdentity): Struct {
  const fields: Struct['fields'] = {};
  for (const name of OWN_FIELDS) {
    const value = node.metadata[name];
    if (typeof value === 'string' && value !== '') fields[name] = stringValue(value);
  }
  const labels = node.metadata['LABELS'];
  if (typeof labels === 'object' && labels !== null) {
    const entries = Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    fields['LABELS'] = structValue(Object.fromEntries(entries.map(([name, value]) => [name, stringValue(value)])));
  }
  return create(StructSchema, { fields });
}

const stringValue = (value: string): Value => ({ $typeName: 'google.protobuf.Value', kind: { case: 'stringValue', value } });

function structValue(fields: Struct['fields']): Value {
  return { $typeName: 'google.protobuf.Value', kind: { case: 'structValue', value: create(StructSchema, { fields }) } };
}
