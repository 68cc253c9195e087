// Protobuf request bodies: what `kubectl create` and `kubectl auth` send without a JSON fallback. Decoded by the same table as
// everything else; answers are always JSON.

import { fail, ok, type Result } from '@lateen/base';
import { namedSchema } from '../schema/builtin.ts';
import { ROOT_TYPES } from '../schema/gen/types.ts';
import type { ObjectSchema, Schema } from '../schema/schema.ts';

type Fields = Record<string, unknown>;

const MAGIC = Buffer.from('k8s\0');
const MAX_DEPTH = 40;

/** The object inside a `runtime.Unknown` envelope, zero values dropped. */
export function decodeProtobuf(body: Buffer): Result<Fields> {
  if (body.length < 4 || !body.subarray(0, 4).equals(MAGIC)) return fail('it does not start with the Kubernetes magic bytes');
  try {
    const envelope = readFields(body.subarray(4));
    const meta = readFields(bytesOf(envelope.get(1)?.[0]));
    const apiVersion = bytesOf(meta.get(1)?.[0]).toString('utf8');
    const kind = bytesOf(meta.get(2)?.[0]).toString('utf8');
    const type = ROOT_TYPES[`${apiVersion}/${kind}`] ?? (kind === 'DeleteOptions' ? ROOT_TYPES['v1/DeleteOptions'] : undefined);
    if (type === undefined || !Object.hasOwn(ROOT_TYPES, `${kind === 'DeleteOptions' ? 'v1' : apiVersion}/${kind}`)) {
      return fail(
        `protobuf is not supported for ${kind} in ${JSON.stringify(apiVersion)}; use --dry-run=client -o yaml | kubectl apply -f -`,
      );
    }
    return ok({ apiVersion, kind, ...decodeMessage(bytesOf(envelope.get(2)?.[0]), namedSchema(type), 0) });
  } catch (error) {
    return fail(error instanceof RangeError ? error.message : 'it is malformed');
  }
}

type Value = bigint | Buffer;

const bytesOf = (value: Value | undefined): Buffer => (Buffer.isBuffer(value) ? value : Buffer.alloc(0));

// All fields of a message by number; fixed-width values as little-endian bytes.
function readFields(data: Buffer): Map<number, Value[]> {
  const fields = new Map<number, Value[]>();
  let position = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = data[position++];
      if (byte === undefined) throw new RangeError('it ends within a number');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('it has a number that is too long');
  };
  const take = (length: number): Buffer => {
    if (length < 0 || position + length > data.length) throw new RangeError('it ends within a field');
    position += length;
    return data.subarray(position - length, position);
  };
  while (position < data.length) {
    const tag = Number(varint());
    const value = readValue(tag & 7, { varint, take });
    const number = tag >> 3;
    const values = fields.get(number);
    if (values) values.push(value);
    else fields.set(number, [value]);
  }
  return fields;
}

function readValue(wireType: number, { varint, take }: { varint: () => bigint; take: (length: number) => Buffer }): Value {
  switch (wireType) {
    case 0:
      return varint();
    case 1:
      return take(8);
    case 2:
      return take(Number(varint()));
    case 5:
      return take(4);
    default:
      throw new RangeError(`it has the unknown wire type ${wireType}`);
  }
}

function decodeMessage(data: Buffer, schema: ObjectSchema, depth: number): Fields {
  if (depth > MAX_DEPTH) throw new RangeError('it is nested too deeply');
  const values = readFields(data);
  const result: Fields = {};
  const inlinedNames = new Set(schema.inlined.flatMap(({ schema: inner }) => [...(inner as ObjectSchema).fields.keys()]));
  for (const { number, schema: inner } of schema.inlined) {
    for (const value of values.get(number) ?? []) Object.assign(result, decodeMessage(bytesOf(value), inner as ObjectSchema, depth + 1));
  }
  for (const field of schema.fields.values()) {
    if (field.number === 0 || inlinedNames.has(field.name)) continue;
    const found = values.get(field.number);
    const value = found && decodeField(found, field.schema, depth + 1);
    if (value !== undefined) result[field.name] = value;
    // The one pointer to a number whose zero kubectl sends on purpose (create deployment --replicas=0).
    else if (found && field.name === 'replicas') result[field.name] = 0;
  }
  return result;
}

function decodeField(values: Value[], schema: Schema, depth: number): unknown {
  switch (schema.type) {
    case 'array':
      return values.map((value) => decodeOne(value, schema.items, depth) ?? zeroOf(schema.items));
    case 'map':
      return Object.fromEntries(
        values.map((value) => {
          const entry = readFields(bytesOf(value));
          const item = entry.get(2)?.[0];
          return [
            bytesOf(entry.get(1)?.[0]).toString('utf8'),
            (item === undefined ? undefined : decodeOne(item, schema.items, depth)) ?? zeroOf(schema.items),
          ];
        }),
      );
    default:
      return decodeOne(values.at(-1) as Value, schema, depth);
  }
}

const zeroOf = (schema: Schema): unknown =>
  schema.type === 'string' || schema.type === 'bytes' ? '' : schema.type === 'bool' ? false : schema.type === 'array' ? [] : 0;

// undefined for zero values: the wire form carries them all, and JSON leaves them out.
function decodeOne(value: Value, schema: Schema, depth: number): unknown {
  switch (schema.type) {
    case 'object':
      return decodeMessage(bytesOf(value), schema, depth);
    case 'array': // a list inside a list or map is a message with the items in field 1 (ExtraValue)
      return (readFields(bytesOf(value)).get(1) ?? []).map((item) => decodeOne(item, schema.items, depth + 1) ?? '');
    case 'string':
      return bytesOf(value).toString('utf8') || undefined;
    case 'bytes':
      return bytesOf(value).toString('base64');
    case 'bool':
      return value === 1n ? true : undefined;
    case 'int32':
    case 'int64':
      return typeof value === 'bigint' ? Number(BigInt.asIntN(64, value)) || undefined : undefined;
    case 'number':
      return bytesOf(value).length === 8 ? bytesOf(value).readDoubleLE() || undefined : undefined;
    case 'quantity': // message with the text in field 1
      return bytesOf(readFields(bytesOf(value)).get(1)?.[0]).toString('utf8') || undefined;
    case 'intOrString':
      return decodeIntOrString(readFields(bytesOf(value)));
    case 'time':
    case 'microTime':
      return decodeTime(readFields(bytesOf(value)), schema.type === 'microTime');
    case 'duration':
      return undefined;
    case 'raw':
      return decodeRaw(readFields(bytesOf(value)));
    default:
      return undefined;
  }
}

function decodeIntOrString(fields: Map<number, Value[]>): number | string {
  const isText = fields.get(1)?.[0] === 1n;
  if (isText) return bytesOf(fields.get(3)?.[0]).toString('utf8');
  const number = fields.get(2)?.[0];
  return typeof number === 'bigint' ? Number(BigInt.asIntN(32, number)) : 0;
}

function decodeTime(fields: Map<number, Value[]>, isMicro: boolean): string | undefined {
  const seconds = fields.get(1)?.[0];
  const nanos = fields.get(2)?.[0];
  if (typeof seconds !== 'bigint' || seconds <= 0n || seconds > 253402300799n) return undefined;
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return isMicro
    ? `${base}.${String(Number(nanos ?? 0n) / 1000)
        .split('.')[0]
        ?.padStart(6, '0')}Z`
    : `${base}Z`;
}

function decodeRaw(fields: Map<number, Value[]>): unknown {
  const text = bytesOf(fields.get(1)?.[0]).toString('utf8');
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}
