// Every xDS message that Lateen knows, by name: what reading and writing proto3 JSON with Any inside needs.

import { createRegistry, type DescMessage } from '@bufbuild/protobuf';
import * as messages from '@lateen/xds/messages';

function schemasIn(module: object, depth = 0): DescMessage[] {
  return Object.values(module).flatMap((value: unknown): DescMessage[] => {
    if (typeof value !== 'object' || value === null) return [];
    if ('kind' in value) return value.kind === 'message' ? [value as DescMessage] : [];
    return depth === 0 ? schemasIn(value, 1) : [];
  });
}

export const registry = createRegistry(...schemasIn(messages));
