// Request bodies to objects: JSON, YAML or protobuf, checked against the schema of the kind.

import { isObject, messageOf, parseJson } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import { parse as parseYaml } from 'yaml';
import { decodeProtobuf } from '../protobuf/decode.ts';
import { apiVersionOf } from '../registry/resource.ts';
import type { ObjectSchema } from '../schema/schema.ts';
import { decodeStrictly } from '../schema/strict-decode.ts';
import { badRequest, unsupportedMediaType } from '../status.ts';
import type { Call } from './call.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** The media type of the body without parameters. */
export const contentTypeOf = (headers: Readonly<Record<string, string | undefined>>): string =>
  (headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';

/** Parses JSON or YAML text. @throws ApiError 400 */
export function parseText(body: Buffer, type: 'json' | 'yaml'): unknown {
  try {
    const text = body.toString('utf8');
    // Aliases are bounded against expansion bombs; what is left is what JSON can say.
    return parseJson(type === 'json' ? text : JSON.stringify(parseYaml(text, { maxAliasCount: 100 })));
  } catch (error) {
    throw badRequest(`the object provided is unrecognized (must be of type ${type.toUpperCase()}): ${messageOf(error)}`);
  }
}

/** Any body as a plain value. @throws ApiError 400 or 415 */
export function readBody(call: Pick<Call, 'request'>): Record<string, unknown> {
  const { headers, body } = call.request;
  const type = contentTypeOf(headers);
  if (type === PROTOBUF) {
    const decoded = decodeProtobuf(body);
    if (!decoded.ok) throw badRequest(`cannot read the protobuf body: ${decoded.error}`);
    return decoded.value;
  }
  if (!type.endsWith('json') && !type.endsWith('yaml')) {
    throw unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
  }
  const value = parseText(body, type.endsWith('yaml') ? 'yaml' : 'json');
  if (!isObject(value)) throw badRequest('the body must be an object');
  return value;
}

/** The object in the body, of the call's kind (or `as`), strictly decoded. @throws ApiError 400 or 415 */
export function readObject(call: Call, as?: { apiVersion: string; kind: string; schema: ObjectSchema }): KubeObject {
  const expected = as ?? { apiVersion: apiVersionOf(call.resource), kind: call.resource.kind, schema: call.resource.schema };
  const value = readBody(call);
  value['apiVersion'] ??= expected.apiVersion;
  value['kind'] ??= expected.kind;
  if (value['kind'] !== expected.kind || value['apiVersion'] !== expected.apiVersion) {
    throw badRequest(
      `${String(value['kind'])} in version "${String(value['apiVersion'])}" cannot be handled as a ${expected.kind}: the API version in the data (${String(value['apiVersion'])}, kind ${String(value['kind'])}) does not match the expected API version (${expected.apiVersion}, kind ${expected.kind})`,
    );
  }
  return checkShape(call, value, expected);
}

/** Checks a decoded or patched object against the schema; unknown fields are refused, warned of or dropped. @throws ApiError 400 */
export function checkShape(
  call: Call,
  value: Record<string, unknown>,
  expected: { apiVersion: string; kind: string; schema: ObjectSchema },
): KubeObject {
  const findings = decodeStrictly(value, expected.schema);
  const version = expected.apiVersion.split('/').at(-1);
  const refuse = (why: string) => badRequest(`${expected.kind} in version "${version}" cannot be handled as a ${expected.kind}: ${why}`);
  if (findings.mismatch !== undefined) throw refuse(findings.mismatch);
  if (findings.unknown.length > 0) {
    const texts = findings.unknown.slice(0, 20).map((path) => `unknown field ${JSON.stringify(path)}`);
    if (call.options.fieldValidation === 'Strict') throw refuse(`strict decoding error: ${texts.join(', ')}`);
    if (call.options.fieldValidation === 'Warn') call.warnings.push(...texts);
  }
  const object = value as KubeObject;
  if (!isObject(object.metadata)) object.metadata = { name: '' };
  return object;
}
