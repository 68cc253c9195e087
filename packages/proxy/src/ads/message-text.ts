// Configuration as people and programs write it, YAML or JSON, as messages.

import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { parse, type Tags } from 'yaml';
import { strictJson } from './lenient-json.ts';
import { lenientRegistry, messageRegistry } from './registry.ts';

/** Undefined for a text without content. @throws Error that says what is wrong in one line. */
export function messageFromText<Schema extends DescMessage>(schema: Schema, text: string): MessageShape<Schema> | undefined {
  const registry = messageRegistry();
  try {
    const json = parseText(text);
    return json === null ? undefined : fromJson(schema, json, { registry });
  } catch {
    // What few need is paid by them: the common text is strict.
    return fromJson(schema, strictJson(schema, parseLeniently(text), registry), { registry: lenientRegistry() });
  }
}

/** What programs write is JSON: the parser of YAML takes ten times the time and memory for it. */
function parseText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return parse(text, YAML_OPTIONS) as JsonValue;
  }
}

// Merge keys are YAML 1.1, which people expect.
const YAML_OPTIONS = { merge: true, maxAliasCount: 1000 };
const withoutFloats = (tags: Tags): Tags => tags.filter((tag) => typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:float');

/** As Envoy: the last of keys that are there twice counts, and a number with a fraction is its text until a field asks for a number. */
const parseLeniently = (text: string): JsonValue =>
  parse(text, { ...YAML_OPTIONS, uniqueKeys: false, customTags: withoutFloats }) as JsonValue;
