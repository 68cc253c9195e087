// Whether a FieldMask's path is one of a message: by its type, whether or not the field is set.

import type { DescMessage, Message } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { messageRegistry } from '../ads/registry.ts';

/** As in a FieldMask, a list can only end a path. What an Any holds is walked into. */
export function fitsMask(any: Any, path: string): boolean {
  const desc = messageRegistry().getMessage(any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1));
  return desc !== undefined && fits(desc, anyUnpack(any, messageRegistry()), path);
}

function fits(desc: DescMessage, message: Message | undefined, path: string): boolean {
  const [name = '', ...rest] = path.split('.');
  const field = desc.fields.find((each) => each.name === name);
  if (!field) return false;
  if (rest.length === 0) return true;
  if (field.fieldKind !== 'message') return false;
  const value = (message as Record<string, Message | undefined> | undefined)?.[field.localName];
  if (field.message.typeName === 'google.protobuf.Any') return value !== undefined && fitsMask(value as Any, rest.join('.'));
  return fits(field.message, value, rest.join('.'));
}
