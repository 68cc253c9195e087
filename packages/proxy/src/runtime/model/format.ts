// Envoy's substitution format ("%REQ(:METHOD)%"), parsed once. Access logs, header values and local replies share it.

/** A literal, or one command operator: `%NAME(argument):maxLength%`. */
export type FormatPart = string | { operator: string; argument: string | undefined; maxLength: number | undefined };

/** Parsed text; a plain literal is one string part, the empty text no part. */
export type Format = readonly FormatPart[];

/** The tree of a JSON access log. A leaf with a single operator keeps its type (numbers stay numbers). */
export type JsonFormat = ReadonlyMap<string, JsonFormatValue>;
export type JsonFormatValue = Format | number | boolean | null | JsonFormat | { readonly items: readonly JsonFormatValue[] };
