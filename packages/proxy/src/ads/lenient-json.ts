// The liberties that Envoy's reader of configuration takes with ProtoJSON, written out as strict ProtoJSON: configurations that people
// publish have `type: strict_dns`, `domains: "*"`, `grpc_services: {…}` and `refresh_delay: {seconds: 5}`.

import type { DescEnum, DescField, DescMessage, JsonObject, JsonValue, Registry } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';

/** The same value where it was strict already, or where it is wrong: that is for the decoder to tell. Nesting is limited by its parser. */
export function strictJson(schema: DescMessage, json: JsonValue, registry: Registry): JsonValue {
  if (schema.typeName.startsWith('google.protobuf.')) return wellKnown(schema, json, registry);
  return isObject(json) ? strictFields(schema, json, registry) : json;
}

function strictFields(schema: DescMessage, json: JsonObject, registry: Registry): JsonObject {
  const entries = Object.entries(json).flatMap(([key, value]): [string, JsonValue][] => {
    const field = schema.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    // Null is no choice among those of a oneof.
    if (value === null && field && field.message?.typeName !== 'google.protobuf.Value') return [];
    return [[key, field ? strictField(field, value, registry) : value]];
  });
  return Object.fromEntries(entries);
}

function strictField(field: DescField, json: JsonValue, registry: Registry): JsonValue {
  const one = (value: JsonValue) => strictValue(field, value, registry);
  if (field.fieldKind === 'list') return asList(json).map(one);
  if (field.fieldKind !== 'map') return one(json);
  return isObject(json) ? Object.fromEntries(Object.entries(json).map(([key, value]) => [key, one(value)])) : json;
}

function strictValue({ message, enum: values, scalar }: DescField, json: JsonValue, registry: Registry): JsonValue {
  if (message) return strictJson(message, json, registry);
  if (values) return strictEnum(values, json);
  return scalar === ScalarType.BOOL ? strictBoolean(json) : json;
}

/** One value stands for a list of one; lists in lists are joined and nulls left out. */
const asList = (json: JsonValue): JsonValue[] => (Array.isArray(json) ? json.flatMap(asList) : json === null ? [] : [json]);

function strictEnum({ values }: DescEnum, json: JsonValue): JsonValue {
  if (typeof json !== 'string') return json;
  const wanted = json.toUpperCase();
  return values.find(({ name }) => name.toUpperCase() === wanted)?.name ?? json;
}

// YAML 1.1, which Envoy reads, has more words for them than YAML 1.2.
const TRUE = /^(?:true|yes|on|y)$/i;
const FALSE = /^(?:false|no|off|n)$/i;

function strictBoolean(json: JsonValue): JsonValue {
  if (typeof json !== 'string') return json;
  return TRUE.test(json) || (FALSE.test(json) ? false : json);
}

function wellKnown({ typeName }: DescMessage, json: JsonValue, registry: Registry): JsonValue {
  if (typeName === 'google.protobuf.BoolValue') return strictBoolean(unwrapped(json));
  if (typeName.endsWith('Value') && typeName !== 'google.protobuf.Value' && typeName !== 'google.protobuf.ListValue')
    return unwrapped(json);
  if (!isObject(json)) return json;
  if (typeName === 'google.protobuf.Duration') return durationText(json);
  return typeName === 'google.protobuf.Any' ? strictAny(json, registry) : json;
}

function strictAny(json: JsonObject, registry: Registry): JsonObject {
  const type = json['@type'];
  if (typeof type !== 'string') return json;
  const schema = registry.getMessage(type.slice(type.lastIndexOf('/') + 1));
  if (!schema) return { '@type': type };
  // A well-known type in an Any has its value under a key of its own.
  return schema.typeName.startsWith('google.protobuf.') ? json : strictFields(schema, json, registry);
}

const unwrapped = (json: JsonValue): JsonValue => (isObject(json) && 'value' in json ? (json['value'] ?? null) : json);

function durationText(json: JsonObject): JsonValue {
  const { seconds = 0, nanos = 0 } = json;
  if (Object.keys(json).some((key) => key !== 'seconds' && key !== 'nanos')) return json;
  if (!Number.isSafeInteger(Number(seconds)) || !Number.isSafeInteger(nanos)) return json;
  const sign = Number(seconds) < 0 || Number(nanos) < 0 ? '-' : '';
  return `${sign}${Math.abs(Number(seconds))}.${String(Math.abs(Number(nanos))).padStart(9, '0')}s`;
}

const isObject = (json: JsonValue): json is JsonObject => typeof json === 'object' && json !== null && !Array.isArray(json);
