// One description of a value's shape for built-in and custom kinds alike: strict decoding, server-side apply, protobuf input
// and OpenAPI all read it.

export type Scalar =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'number'
  | 'bytes'
  | 'quantity'
  | 'intOrString'
  | 'time'
  | 'microTime'
  | 'duration'
  /** Anything: unknown fields are kept, and apply treats it as granular JSON. */
  | 'raw';

export type Field = {
  name: string;
  schema: Schema;
  /** Protobuf field number; 0 when the field has none. */
  number: number;
  required: boolean;
};

export type Schema =
  | { type: Scalar; atomic?: boolean }
  | {
      type: 'object';
      /** Type name, e.g. "core.v1.Pod"; undefined inside a custom resource. */
      name: string | undefined;
      fields: ReadonlyMap<string, Field>;
      /** Structs that JSON flattens into this one, for protobuf. */
      inlined: readonly { number: number; schema: Schema }[];
      /** Unknown fields are kept. */
      open: boolean;
      atomic: boolean;
    }
  | { type: 'map'; items: Schema; atomic: boolean }
  | {
      type: 'array';
      items: Schema;
      /** How server-side apply merges it: whole, by value, or by these keys of its items. */
      merge: 'atomic' | 'set' | readonly string[];
    };

export type ObjectSchema = Extract<Schema, { type: 'object' }>;
