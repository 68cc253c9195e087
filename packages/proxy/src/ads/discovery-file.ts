// A file with a DiscoveryResponse: YAML or JSON, binary when it is called *.pb, as in Envoy.

import { readFileSync, statSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { fail, messageOf, ok, type Result } from '@lateen/base';
import { type DiscoveryResponse, DiscoveryResponseSchema } from '@lateen/xds/messages/proxy';
import { messageFromText } from './message-text.ts';
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
    const message = messageFromText(DiscoveryResponseSchema, bytes.toString('utf8'));
    if (!message) return fail('the file is empty');
    const foreign = message.resources.find(({ typeUrl }) => !messageRegistry().getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1)));
    return foreign ? fail(`${foreign.typeUrl} is not known`) : ok(message);
  } catch (error) {
    return fail(messageOf(error));
  }
}
