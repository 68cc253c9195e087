// Manifests of files with what could not be read, and with the same text indented again where its indentation got lost.

import { repairIndentation } from '@lateen/api';
import { type Manifest, parseManifests } from '@lateen/kube';
import { readManifestFiles } from '../objects/manifest-files.ts';

/** A document that could not be read. */
export type Problem = { file: string; line: number; message: string; fix?: string };

/** `repairs` are documents indented again, by file: what was probably meant. */
export type Loaded = { manifests: Manifest[]; problems: Problem[]; repairs: { file: string; text: string }[] };

export type LoadOptions = { recursive?: boolean };

/** Reads files, folders and "-". @throws CodedError LAT7303 for a file that cannot be read at all */
export function loadManifests(names: string[], options: LoadOptions = {}): Loaded {
  const loaded: Loaded = { manifests: [], problems: [], repairs: [] };
  for (const { file, text } of readManifestFiles(names, options)) {
    const { manifests, errors } = parseManifests(text, { file });
    loaded.manifests.push(...manifests);
    for (const { line, message, fix } of errors) loaded.problems.push({ file, line, message, ...(fix ? { fix } : {}) });
    if (errors.length > 0) loaded.repairs.push(...repairsOf(text).map((repaired) => ({ file, text: repaired })));
  }
  return loaded;
}

/** Broken documents of a text that read well once indented again. */
function repairsOf(text: string): string[] {
  return text.split(/^---.*$/m).flatMap((document) => {
    if (parseManifests(document, { file: '' }).errors.length === 0) return [];
    const repaired = repairIndentation(document);
    return repaired !== undefined && parseManifests(repaired, { file: '' }).errors.length === 0 ? [repaired] : [];
  });
}
