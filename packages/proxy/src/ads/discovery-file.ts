// A file with a DiscoveryResponse: YAML or JSON, binary when it is called *.pb, as in Envoy.

import { readFileSync, statSync } from 'node:fs';
import { fromBinary, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { fail, messageOf, ok, type Result } from '@lateen/base';
import { type DiscoveryResponse, DiscoveryResponseSchema } from '@lateen/xds/messages/proxy';
import { parse } from 'yaml';
import { messageRegistry } from './registry.ts';

/** Far more than anybody configures by hand; a push of a large mesh fits. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Reads it whole; the error is one line. */
export function readDiscoveryFile(path: string): Result<DiscoveryResponse> {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) return fail(`the file is larger than ${MAX_FILE_BYTES} bytes`);
    if (path.endsWith('.pb_text')) return fail('the text format of protocol buffers is not supported: use YAML, JSON or .pb');
    const bytes = readFileSync(path);
    if (path.endsWith('.pb')) return ok(fromBinary(DiscoveryResponseSchema, bytes));
    const json = parseText(bytes.toString('utf8'));
    if (json === null) return fail('the file is empty');
    return ok(fromJson(DiscoveryResponseSchema, json, { registry: messageRegistry() }));
  } catch (error) {
    return fail(messageOf(error));
  }
}

/** What programs write is JSON: the parser of YAML takes ten times the time and memory for it. Merge keys are YAML 1.1, which Envoy reads. */
export function parseText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return parse(text, { merge: true, maxAliasCount: 1000 }) as JsonValue;
  }
}
