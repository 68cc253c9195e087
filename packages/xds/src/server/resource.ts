// What the server serves: encoded resources by type and name. It knows nothing of meshes.

import { createHash } from 'node:crypto';
import { create, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';

const TYPE_PREFIX = 'type.googleapis.com/';

export const CLUSTER_TYPE = `${TYPE_PREFIX}envoy.config.cluster.v3.Cluster`;
export const ENDPOINT_TYPE = `${TYPE_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
export const LISTENER_TYPE = `${TYPE_PREFIX}envoy.config.listener.v3.Listener`;
export const ROUTE_TYPE = `${TYPE_PREFIX}envoy.config.route.v3.RouteConfiguration`;
const SECRET_TYPE = `${TYPE_PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`;

/** Make before break: what is referred to goes before what refers to it. Other types follow. */
export const PUSH_ORDER: readonly string[] = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE];

/** Types whose state-of-the-world response is the whole set: what is missing in it is deleted. */
export const isWholeSetType = (typeUrl: string): boolean => typeUrl === CLUSTER_TYPE || typeUrl === LISTENER_TYPE;

/** A resource encoded once, shared by every client that gets it. */
export type EncodedResource = { name: string /** Hash of the content. */; version: string; body: Any };
export type ResourcesOfType = ReadonlyMap<string, EncodedResource>;
/** By type URL. Absent types are empty. */
export type ResourceSet = ReadonlyMap<string, ResourcesOfType>;

export function encodeResource<Desc extends DescMessage>(name: string, schema: Desc, message: MessageShape<Desc>): EncodedResource {
  const value = toBinary(schema, message);
  const version = createHash('sha256').update(value).digest('base64url').slice(0, 16);
  return { name, version, body: create(AnySchema, { typeUrl: `${TYPE_PREFIX}${schema.typeName}`, value }) };
}
