// `-f`: files, folders, or "-" for standard input.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError, messageOf } from '@lateen/base';

export type ManifestText = { file: string; text: string };

const EXTENSIONS = /\.(ya?ml|json)$/;

/** Reads every file named; a folder gives its YAML and JSON files in order. @throws CodedError LAT7303 */
export function readManifestFiles(names: string[], options: { recursive?: boolean } = {}): ManifestText[] {
  return names.flatMap((name) => {
    if (name === '-') return [{ file: 'standard input', text: readFileSync(0, 'utf8') }];
    try {
      if (!statSync(name).isDirectory()) return [{ file: name, text: readFileSync(name, 'utf8') }];
      const entries = readdirSync(name, { withFileTypes: true, recursive: options.recursive ?? false });
      const paths = entries
        .filter((entry) => entry.isFile() && EXTENSIONS.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name));
      return paths.sort().map((file) => ({ file, text: readFileSync(file, 'utf8') }));
    } catch (error) {
      throw new CodedError({ code: 'LAT7303', what: `cannot read ${name}`, why: messageOf(error), cause: error });
    }
  });
}
