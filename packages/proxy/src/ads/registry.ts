// Every message type that the proxy can read, for proto3 JSON with Any (bootstrap files, config dumps).

import { createRegistry, type DescMessage, type Registry } from '@bufbuild/protobuf';
import { EmptySchema, StructSchema } from '@bufbuild/protobuf/wkt';
import * as messages from '@lateen/xds/messages';
import * as adminMessages from '@lateen/xds/messages/admin';
import * as proxyMessages from '@lateen/xds/messages/proxy';

let registry: Registry | undefined;

export function messageRegistry(): Registry {
  registry ??= createRegistry(StructSchema, ...schemasIn(messages), ...schemasIn(proxyMessages), ...schemasIn(adminMessages));
  return registry;
}

/** For Any of foreign types as well: their type is kept, their content is left out. Whoever needs them refuses them, by path. */
export function lenientRegistry(): Registry {
  const known = messageRegistry();
  const foreign = (typeName: string) => Object.assign(Object.create(EmptySchema) as DescMessage, { typeName });
  return Object.assign(Object.create(known) as Registry, { getMessage: (name: string) => known.getMessage(name) ?? foreign(name) });
}

function schemasIn(module: object, depth = 0): DescMessage[] {
  return Object.values(module).flatMap((value: unknown): DescMessage[] => {
    if (typeof value !== 'object' || value === null) return [];
    if ('kind' in value) return value.kind === 'message' ? [value as DescMessage] : [];
    // Extensions are namespaces, one level down.
    return depth === 0 ? schemasIn(value, depth + 1) : [];
  });
}
