// Typed extension configs: which types the proxy knows at a place is a table there; everything else is refused by its URL.

import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { messageOf } from '@lateen/base';
import { checkFieldRules } from './field-rules.ts';
import type { Report } from './report.ts';

type Case<T> = { readonly schema: DescMessage; compile(message: never, report: Report): T };

/** One row of a table of known types. */
export function extension<Desc extends DescMessage, T>(schema: Desc, compile: (message: MessageShape<Desc>, report: Report) => T): Case<T> {
  return { schema, compile };
}

/** Looks the type up among `cases`; reports and gives undefined when it is not there or does not decode. */
export function compileAny<T>(any: Any | undefined, cases: readonly Case<T>[], report: Report): T | undefined {
  if (!any?.typeUrl) {
    report.refuse('is required');
    return undefined;
  }
  const typeName = any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
  const known = cases.find((one) => one.schema.typeName === typeName);
  if (!known) {
    report.refuse(`${any.typeUrl} is not supported here`);
    return undefined;
  }
  try {
    const message = fromBinary(known.schema, any.value);
    checkFieldRules(known.schema, message, report);
    return known.compile(message as never, report);
  } catch (error) {
    report.refuse(`${any.typeUrl} cannot be decoded: ${messageOf(error)}`);
    return undefined;
  }
}
