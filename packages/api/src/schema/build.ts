// Constructors of the schemas every kind is written in. A schema is a plain JSON Schema object in the subset Kubernetes calls
// structural, so it goes into the CRD as it is; its TypeBox type (`Static<typeof X>`) is the static type of the kind.
// TypeBox is used for its types only: importing its runtime takes longer than everything else in this package.

import type { Static, TUnsafe } from 'typebox';

export type { Static } from 'typebox';

/** A CEL rule the API server evaluates; `message` is what kubectl prints. */
export type CelRule = { rule: string; message: string };

/** The JSON Schema subset in use. `format: duration` is ours: Go duration text; `oneOfFields` are protobuf oneofs (at most one of each group). */
export type SchemaNode = {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  description?: string;
  properties?: Record<string, SchemaNode>;
  required?: readonly string[];
  additionalProperties?: SchemaNode;
  items?: SchemaNode;
  enum?: readonly string[];
  format?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  pattern?: string;
  minDurationMs?: number;
  oneOfFields?: readonly OneOf[];
  /** The field that identifies an entry of a list, for server-side apply. */
  listMapKey?: string;
  'x-kubernetes-validations'?: readonly CelRule[];
  'x-kubernetes-preserve-unknown-fields'?: true;
  'x-kubernetes-int-or-string'?: true;
};

/** A protobuf oneof: at most one of `fields` may be set. */
export type OneOf = { fields: readonly string[] };

/** A schema whose values have the TypeScript type `T`. */
export type Schema<T> = TUnsafe<T>;

type AnySchema = TUnsafe<unknown>;
type Fields = Record<string, AnySchema>;
type Flatten<T> = { [K in keyof T]: T[K] } & {};
type MessageOf<F extends Fields, R extends keyof F> = Flatten<{ [K in R]: Static<F[K]> } & { [K in Exclude<keyof F, R>]?: Static<F[K]> }>;

type MessageOptions<R> = { required?: readonly R[]; oneOf?: readonly OneOf[]; cel?: readonly CelRule[]; default?: unknown };
type ListOptions = { minItems?: number; maxItems?: number; listMapKey?: string; cel?: readonly CelRule[] };
type TextOptions = { minLength?: number; maxLength?: number; pattern?: string; cel?: readonly CelRule[]; default?: string };
type NumberOptions = { minimum?: number; maximum?: number; default?: number };

/** The node behind a typed schema. */
export const nodeOf = (schema: AnySchema): SchemaNode => schema as unknown as SchemaNode;

const typed = <T>(node: SchemaNode): Schema<T> => node as unknown as Schema<T>;

/** Drops absent options, and moves `cel` to the key Kubernetes reads. */
function withOptions(node: SchemaNode, options: { cel?: readonly CelRule[] } & Record<string, unknown> = {}): SchemaNode {
  const { cel, ...rest } = options;
  return { ...node, ...(rest as SchemaNode), ...(cel ? { 'x-kubernetes-validations': cel } : {}) };
}

/** An object with named fields; all optional but `required`. */
export function message<F extends Fields, R extends keyof F & string = never>(
  description: string,
  fields: F,
  options: MessageOptions<R> = {},
): Schema<MessageOf<F, R>> {
  const { required, oneOf, ...rest } = options;
  const node: SchemaNode = { type: 'object', description, properties: fields as unknown as Record<string, SchemaNode> };
  if (required) node.required = required;
  if (oneOf) node.oneOfFields = oneOf;
  return typed(withOptions(node, rest));
}

/** The same schema with another description (one message used in several fields). */
export const described = <S extends AnySchema>(description: string, schema: S): S => ({ ...schema, description });

export const list = <S extends AnySchema>(description: string, items: S, options?: ListOptions): Schema<Static<S>[]> =>
  typed(withOptions({ type: 'array', description, items: nodeOf(items) }, options));

export const map = <S extends AnySchema>(
  description: string,
  values: S,
  options?: { minProperties?: number; maxProperties?: number; cel?: readonly CelRule[] },
) => typed<Record<string, Static<S>>>(withOptions({ type: 'object', description, additionalProperties: nodeOf(values) }, options));

export const text = (description = '', options?: TextOptions): Schema<string> =>
  typed(withOptions(description ? { type: 'string', description } : { type: 'string' }, options));

export const bool = (description: string, options?: { default?: boolean }): Schema<boolean> =>
  typed(withOptions({ type: 'boolean', description }, options));

export const uint32 = (description = '', options?: NumberOptions): Schema<number> =>
  typed(withOptions({ type: 'integer', ...(description ? { description } : {}), minimum: 0, maximum: 4294967295 }, options));

export const int32 = (description: string, options?: NumberOptions): Schema<number> =>
  typed(withOptions({ type: 'integer', description, format: 'int32' }, options));

export const uint64 = (description: string): Schema<number> => typed({ type: 'integer', description, minimum: 0 });

export const double = (description: string, options?: NumberOptions): Schema<number> =>
  typed(withOptions({ type: 'number', description, format: 'double' }, options));

export const choice = <const V extends string>(description: string, values: readonly V[], options?: { default?: V }): Schema<V> =>
  typed(withOptions({ type: 'string', description, enum: values }, options));

/** A Go duration ("1.5s", "250ms"), at least 1 ms unless `minDurationMs` says 0. */
export const duration = (description: string, options: { minDurationMs?: number } = {}): Schema<string> =>
  typed({ type: 'string', description, format: 'duration', minDurationMs: options.minDurationMs ?? 1 });

/** An RFC 3339 time. */
export const timestamp = (description: string): Schema<string> => typed({ type: 'string', description, format: 'date-time' });

/** A JSON object of any shape (google.protobuf.Struct). */
export const struct = (description: string): Schema<Record<string, unknown>> =>
  typed({ type: 'object', description, 'x-kubernetes-preserve-unknown-fields': true });

/** An integer or its text. */
export const intOrString = (description: string): Schema<number | string> => typed({ description, 'x-kubernetes-int-or-string': true });
