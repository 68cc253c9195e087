// Istio's peer metadata over TCP: on connections with the ALPN istio-peer-exchange each side says who it is in front of its bytes:
// a magic number, a length, and a protobuf Any with a Struct. Neither side waits for the other's.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AnySchema, anyPack, anyUnpack, type Struct, StructSchema } from '@bufbuild/protobuf/wkt';
import { ownMetadata, peerOf } from '../filters/peer-metadata.ts';
import type { NodeIdentity } from '../http/context.ts';
import type { PeerMetadata } from '../http/request-record.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';

/** The protocol that Istio's proxies negotiate for it. */
export const PEER_EXCHANGE = 'istio-peer-exchange';

const MAGIC = 0x3d230467;
const HEAD_BYTES = 8;
/** Metadata longer than this breaks the connection. */
const MAX_BYTES = 64 * 1024;
const METADATA = 'x-envoy-peer-metadata';
const METADATA_ID = 'x-envoy-peer-metadata-id';

const known = new WeakMap<NodeIdentity, Buffer>();

/** What this proxy says of itself. */
export function ownExchange(node: NodeIdentity): Buffer {
  let bytes = known.get(node);
  if (!bytes) {
    const fields: Struct['fields'] = {
      [METADATA]: { $typeName: 'google.protobuf.Value', kind: { case: 'structValue', value: ownMetadata(node) } },
      [METADATA_ID]: { $typeName: 'google.protobuf.Value', kind: { case: 'stringValue', value: node.id } },
    };
    const data = toBinary(AnySchema, anyPack(StructSchema, create(StructSchema, { fields })));
    bytes = Buffer.alloc(HEAD_BYTES + data.length);
    bytes.writeUInt32BE(MAGIC, 0);
    bytes.writeUInt32BE(data.length, 4);
    bytes.set(data, HEAD_BYTES);
    known.set(node, bytes);
  }
  return bytes;
}

export type ExchangeResult =
  | { readonly kind: 'more' }
  /** The peer does not exchange: all bytes are its own. */
  | { readonly kind: 'none' }
  | { readonly kind: 'error' }
  | { readonly kind: 'peer'; readonly peer: PeerMetadata | undefined; readonly sizeBytes: number };

export function parseExchange(bytes: Buffer): ExchangeResult {
  if (bytes.length >= 4 && bytes.readUInt32BE(0) !== MAGIC) return { kind: 'none' };
  if (bytes.length < HEAD_BYTES) return { kind: 'more' };
  const sizeBytes = HEAD_BYTES + bytes.readUInt32BE(4);
  if (sizeBytes > MAX_BYTES) return { kind: 'error' };
  if (bytes.length < sizeBytes) return { kind: 'more' };
  try {
    const struct = anyUnpack(fromBinary(AnySchema, bytes.subarray(HEAD_BYTES, sizeBytes)), StructSchema);
    const metadata = struct?.fields[METADATA]?.kind;
    const id = struct?.fields[METADATA_ID]?.kind;
    const peer = metadata?.case === 'structValue' ? peerOf(metadata.value, id?.case === 'stringValue' ? id.value : '') : undefined;
    return { kind: 'peer', peer, sizeBytes };
  } catch {
    return { kind: 'error' };
  }
}

/** Says who we are on `connection`, and takes the peer's word from the front of what it sends; `handler` gets the rest. */
export function exchangeMetadata(
  connection: Connection,
  node: NodeIdentity,
  handler: ConnectionHandler,
  onPeer: (peer: PeerMetadata | undefined) => void,
): void {
  let held: Buffer | undefined;
  connection.write(ownExchange(node));
  connection.handler = {
    onData(bytes) {
      held = held ? Buffer.concat([held, bytes]) : connection.keep(bytes);
      const result = parseExchange(held);
      if (result.kind === 'more') return;
      if (result.kind === 'error') return connection.reset();
      connection.handler = handler;
      if (result.kind === 'peer') onPeer(result.peer);
      const rest = result.kind === 'peer' ? held.subarray(result.sizeBytes) : held;
      if (rest.length > 0) handler.onData(rest);
    },
    onEnd() {
      connection.handler = handler;
      if (held) handler.onData(held);
      handler.onEnd();
    },
    onDrain: () => handler.onDrain(),
    onClose: (error) => handler.onClose(error),
  };
}
