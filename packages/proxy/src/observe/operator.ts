// What an operator of the substitution format is to those that give operators their meaning.

import type { RequestRecord } from '../http/request-record.ts';

/** An operator's value; undefined prints as "-". What is no text keeps its type in JSON logs; objects and lists are JSON in texts. */
export type FormatValue = string | number | boolean | object | undefined;
export type FormatReader = (record: RequestRecord) => FormatValue;

/** Makes the reader for an argument, once per configuration. */
export type Compile = (argument: string | undefined) => FormatReader;

/** Without an argument. */
export const plain =
  (read: FormatReader): Compile =>
  () =>
    read;

/** What is never known here. */
export const nothing: Compile = plain(() => undefined);
