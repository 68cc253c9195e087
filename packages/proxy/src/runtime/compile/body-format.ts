// Envoy's SubstitutionFormatString: the layout of a log line, of a local reply's body, of a value that a filter stores.

import { isObject, type Json } from '@lateen/base';
import {
  metadataFormatter,
  reqWithoutQueryFormatter,
  type SubstitutionFormatString,
  SubstitutionFormatStringSchema,
} from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { BodyFormat, JsonFormat, JsonFormatValue } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { honours, type Report } from './report.ts';
import { inlineTextOf } from './values.ts';

const check = honours(SubstitutionFormatStringSchema, [
  'textFormat',
  'jsonFormat',
  'textFormatSource',
  'omitEmptyValues',
  'contentType',
  'formatters',
  'jsonFormatOptions',
]);

// These only add operators that are always there.
const FORMATTERS = [
  extension(metadataFormatter.MetadataSchema, () => true),
  extension(reqWithoutQueryFormatter.ReqWithoutQuerySchema, () => true),
];

/** The content type is the format's own: text/plain or application/json unless configured. */
export function compileBodyFormat(message: SubstitutionFormatString, report: Report): BodyFormat {
  check(message, report);
  message.formatters.forEach((formatter, i) => {
    compileAny(formatter.typedConfig, FORMATTERS, report.at('formatters', i).at('typed_config'));
  });
  const { format, omitEmptyValues: omitEmpty } = message;
  switch (format.case) {
    case 'jsonFormat':
      return {
        kind: 'json',
        contentType: message.contentType || 'application/json',
        fields: compileJsonFormat(format.value, report.at('json_format')),
        omitEmpty,
      };
    case 'textFormat':
      return textFormat(format.value, message, report.at('text_format'));
    case 'textFormatSource':
      return textFormat(inlineTextOf(format.value, report.at('text_format_source')), message, report.at('text_format_source'));
    case undefined:
      return textFormat('', message, report);
  }
}

function textFormat(text: string, message: SubstitutionFormatString, report: Report): BodyFormat {
  return {
    kind: 'text',
    contentType: message.contentType || 'text/plain',
    text: report.take(parseFormat(text)) ?? [],
    omitEmpty: message.omitEmptyValues,
  };
}

/** The tree of a JSON format: operators in strings, everything else as it is. */
export function compileJsonFormat(fields: { readonly [key: string]: Json }, report: Report): JsonFormat {
  return new Map(Object.entries(fields).map(([key, value]) => [key, jsonValue(value, report.at(key))]));
}

function jsonValue(value: Json, report: Report): JsonFormatValue {
  if (typeof value === 'string') return report.take(parseFormat(value)) ?? [];
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return { items: value.map((each, i) => jsonValue(each, report.at(String(i)))) };
  if (isObject(value)) return compileJsonFormat(value as { [key: string]: Json }, report);
  report.refuse('is not supported');
  return [];
}
