// YAML copied out of a web page often arrives without its indentation ("spec:" followed by its fields at the margin), sometimes
// without some of its lines. The parser's own message ("map keys must be unique") names the symptom; this names the cause.

import { isObject } from '@lateen/base';

const MANIFEST_FIELDS = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'data', 'status', 'items', 'stringData', 'rules', 'subsets']);
/** Fields that stand inside metadata and never beside it. */
const METADATA_FIELDS = new Set(['name', 'namespace', 'labels', 'annotations', 'generateName']);

/** Why the document looks flattened, as half a sentence, or undefined. For text that does not parse. */
export function flattenedTextReason(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  if (!lines.some((line) => /^(kind|apiVersion):/.test(line))) return undefined;
  for (const [i, line] of lines.entries()) {
    const parent = /^(metadata|spec):\s*(#.*)?$/.exec(line)?.[1];
    const next = /^(-?\s?[A-Za-z]+):/.exec(lines[i + 1] ?? '')?.[1];
    if (parent && next && !MANIFEST_FIELDS.has(next)) return `"${next}" should be indented below "${parent}"`;
  }
  const stray = lines.find((line) => /^ +(name|namespace):/.test(line));
  if (stray && !lines.some((line) => /^metadata:/.test(line))) return `"${stray.trim()}" has lost its "metadata:" line`;
  return undefined;
}

/** The same for a document that does parse. */
export function flattenedObjectReason(document: Record<string, unknown>): string | undefined {
  for (const parent of ['metadata', 'spec']) {
    if (!Object.hasOwn(document, parent) || document[parent] !== null) continue;
    const stray = Object.keys(document).find((key) =>
      parent === 'metadata' ? METADATA_FIELDS.has(key) : !MANIFEST_FIELDS.has(key) && !METADATA_FIELDS.has(key),
    );
    if (stray) return `"${stray}" should be indented below "${parent}"`;
  }
  if (!isObject(document['metadata']) && document['kind'] !== undefined) {
    const stray = Object.keys(document).find((key) => METADATA_FIELDS.has(key));
    if (stray) return `"${stray}" should be indented below "metadata"`;
  }
  return undefined;
}
