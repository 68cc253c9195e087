// What a field may hold, as Envoy's .proto files say it (protoc-gen-validate); the table is `gen/validation-rules.ts`.

/** Limits that are not there do not apply. Durations are milliseconds. */
export type ValidationRule = {
  readonly required?: true;
  /** Says nothing about an empty or zero value. */
  readonly ignoreEmpty?: true;
  readonly min?: number;
  readonly max?: number;
  /** The smallest value that is too large. */
  readonly below?: number;
  /** The largest value that is too small. */
  readonly above?: number;
  readonly is?: boolean | number | string;
  readonly oneOf?: readonly (number | string)[];
  readonly noneOf?: readonly (number | string)[];
  /** Of an enum: only values that it names. */
  readonly defined?: true;
  readonly text?: TextRule;
  readonly prefix?: string;
  readonly pattern?: string;
  /** Characters of text, bytes of bytes, items of lists, pairs of maps. */
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Of text in UTF-8. */
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly unique?: true;
  readonly items?: ValidationRule;
  readonly keys?: ValidationRule;
};

/** "header text": anything without NUL, CR and LF. */
export type TextRule = 'header name' | 'header value' | 'header text';

export type MessageRules = {
  readonly fields?: Readonly<Record<string, ValidationRule>>;
  /** Those of which one field must be set. */
  readonly oneofs?: readonly string[];
};
