// Files and environment variables that configurations name.

import { readFileSync, statSync } from 'node:fs';
import type { DataRef } from '../runtime/model.ts';

export type DataReader = (data: DataRef) => Uint8Array;

const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Reads at once and throws what is wrong: it runs when a configuration arrives, not in a request. */
export function createDataReader(environment: Readonly<Record<string, string | undefined>>): DataReader {
  return (data) => {
    switch (data.kind) {
      case 'inline':
        return data.bytes;
      case 'file': {
        if (statSync(data.path).size > MAX_FILE_BYTES) throw new Error(`${data.path} is larger than ${MAX_FILE_BYTES} bytes`);
        return readFileSync(data.path);
      }
      case 'environment': {
        const value = environment[data.name];
        if (value === undefined) throw new Error(`the environment variable ${data.name} is not set`);
        return Buffer.from(value);
      }
    }
  };
}
