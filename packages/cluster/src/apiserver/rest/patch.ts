// PATCH: JSON, merge and strategic patches; apply patches are handed to server-side apply.

import { isObject } from '@lateen/base';
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch, PatchError } from '@lateen/kube/patch';
import type { KubeObject } from '@lateen/kube/types';
import { type ApiReply, json } from '../http/exchange.ts';
import { apiVersionOf } from '../registry/resource.ts';
import { ApiError, badRequest, unsupportedMediaType } from '../status.ts';
import { applyPatch } from './apply.ts';
import { checkShape, contentTypeOf, parseText } from './body.ts';
import type { Call } from './call.ts';
import { renderObject } from './negotiate.ts';
import { renderingOf } from './read.ts';
import { updateObject } from './update.ts';

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
const APPLY_PATCH = 'application/apply-patch+yaml';

export async function patch(call: Call): Promise<ApiReply> {
  const type = contentTypeOf(call.request.headers);
  if (type === APPLY_PATCH) return applyPatch(call);
  const change = readPatch(call, type);
  const updated = await updateObject(call, {
    track: true,
    transform: (current) =>
      checkShape(call, change(current), {
        apiVersion: apiVersionOf(call.resource),
        kind: call.resource.kind,
        schema: call.resource.schema,
      }),
  });
  return json(200, renderObject(call.resource.fromStorage(updated), renderingOf(call)));
}

/** The change that the body describes, as a function of the current object. @throws ApiError 400, 415 or 422 */
export function readPatch(call: Call, type: string): (current: KubeObject) => Record<string, unknown> {
  const accepted = [JSON_PATCH, MERGE_PATCH, ...(call.resource.custom ? [] : [STRATEGIC_PATCH]), APPLY_PATCH];
  if (!accepted.includes(type)) {
    throw unsupportedMediaType(`the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`);
  }
  const body = parseText(call.request.body, 'json');
  return (current) => {
    const result = inApiWords(call, () => {
      if (type === JSON_PATCH) return applyJsonPatch(structuredClone(current), body);
      if (type === MERGE_PATCH) return applyMergePatch(structuredClone(current), body);
      return applyStrategicMergePatch(structuredClone(current), body, { kind: call.resource.kind });
    });
    if (!isObject(result)) throw badRequest('the patch does not leave an object');
    // Patching works on shared parts; what follows changes in place.
    return structuredClone(result);
  };
}

function inApiWords<T>(call: Call, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    if (error.reason === 'malformed') throw badRequest(error.message);
    const { kind, group } = call.resource;
    throw new ApiError(422, 'Invalid', {
      message: `the server rejected our request due to an error in our request: ${error.message}`,
      details: { name: call.name ?? '', kind, ...(group === '' ? {} : { group }) },
    });
  }
}
