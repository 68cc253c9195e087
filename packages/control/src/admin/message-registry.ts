// Every message type we serve, so that an Any inside another message can be printed as JSON.

import { createRegistry, type DescMessage, type Registry } from '@bufbuild/protobuf';
import * as messages from '@lateen/xds/messages';

let registry: Registry | undefined;

/** Built at first use; load this module as late, since it needs every message. */
export function messageRegistry(): Registry {
  if (!registry) {
    const found: DescMessage[] = [];
    const visit = (value: unknown, depth: number): void => {
      if (typeof value !== 'object' || value === null) return;
      if ((value as { kind?: unknown }).kind === 'message') found.push(value as DescMessage);
      else if (depth === 0) for (const inner of Object.values(value)) visit(inner, 1);
    };
    for (const value of Object.values(messages)) visit(value, 0);
    registry = createRegistry(...found);
  }
  return registry;
}
