// Manifests as people keep them: several YAML (or JSON) documents per file, Lists inside. Every object knows its line, and a
// broken document does not hide the others.

import { CodedError, isObject } from '@lateen/base';
import { type Document, isAlias, isCollection, isMap, isSeq, LineCounter, parseAllDocuments, type Tags, visit } from 'yaml';
import type { KubeObject } from '../types/index.ts';
import { flattenedObjectReason, flattenedTextReason } from './flattened.ts';

export type FieldPath = readonly (string | number)[];

export type Manifest = {
  object: KubeObject;
  file: string;
  /** First line of the document (of the item, in a List), from 1. */
  line: number;
  /** Line of a field, e.g. ["spec", "http", 0, "route"]; of its nearest existing parent when it is absent. */
  lineOf(path: FieldPath): number;
};

export type ManifestError = CodedError & { readonly file: string; readonly line: number };

export type ParsedManifests = { manifests: Manifest[]; errors: ManifestError[] };

export type ParseManifestsOptions = {
  /** For messages; "-" for standard input. */
  file: string;
  /** Default 16 MiB. */
  maxBytes?: number;
};

const MAX_ALIASES = 100;
// Kubernetes reads YAML 1.1 as Go does: octal 0644 and "yes" are a number and a boolean, but dates, base 60 and !!binary stay text.
const SKIPPED_TAGS = new Set([
  'tag:yaml.org,2002:timestamp',
  'tag:yaml.org,2002:binary',
  'tag:yaml.org,2002:omap',
  'tag:yaml.org,2002:pairs',
  'tag:yaml.org,2002:set',
]);
const goTags = (tags: Tags): Tags =>
  tags.filter((tag) => typeof tag === 'string' || (!SKIPPED_TAGS.has(tag.tag) && !('format' in tag && tag.format === 'TIME')));

/** Never throws for what the text contains: broken documents are in `errors`, the rest in `manifests`. Empty documents are skipped. */
export function parseManifests(text: string, options: ParseManifestsOptions): ParsedManifests {
  const { file, maxBytes = 16 * 1024 * 1024 } = options;
  const result: ParsedManifests = { manifests: [], errors: [] };
  if (text.length > maxBytes) {
    result.errors.push(manifestError({ file, line: 1 }, `is larger than ${maxBytes} bytes`));
    return result;
  }
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    version: '1.1',
    merge: true,
    customTags: goTags,
    prettyErrors: false,
    logLevel: 'silent',
  });
  if (!Array.isArray(documents)) return result;
  for (const document of documents) {
    try {
      addDocument({ document, text, file, lines }, result);
    } catch (error) {
      if (!isManifestError(error)) throw error;
      result.errors.push(error);
    }
  }
  return result;
}

/** For callers that want all or nothing. @throws CodedError LAT2106, the first error */
export function parseManifestsStrict(text: string, options: ParseManifestsOptions): Manifest[] {
  const { manifests, errors } = parseManifests(text, options);
  if (errors[0]) throw errors[0];
  return manifests;
}

type Source = { document: Document.Parsed; text: string; file: string; lines: LineCounter };

function addDocument(source: Source, result: ParsedManifests): void {
  const { document, file, lines } = source;
  const lineAt = (offset: number | undefined): number => Math.max(1, lines.linePos(offset ?? 0).line);
  const start = document.contents?.range?.[0] ?? document.range[0];
  const failure = document.errors[0];
  if (failure) {
    const reason = flattenedTextReason(source.text.slice(document.range[0], document.range[2]));
    const at = { file, line: lineAt(failure.pos[0]) };
    throw reason ? flattenedError(at, reason) : manifestError(at, `is not valid YAML: ${failure.message}`);
  }
  if (document.contents === null) return;
  const at = { file, line: lineAt(start) };
  if (aliasCount(document) > MAX_ALIASES) throw manifestError(at, `uses more than ${MAX_ALIASES} YAML aliases`);
  const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
  if (value === null || value === undefined) return;
  const lineOf = (path: FieldPath): number => {
    for (let length = path.length; length > 0; length--) {
      const offset = offsetOf(document, path.slice(0, length));
      if (offset !== undefined) return lineAt(offset);
    }
    return at.line;
  };
  addObject(value, { file, line: at.line, lineOf }, result);
}

function addObject(value: unknown, at: Omit<Manifest, 'object'>, result: ParsedManifests): void {
  if (!isObject(value)) throw manifestError(at, 'must be a mapping with apiVersion, kind and metadata');
  const reason = flattenedObjectReason(value);
  if (reason) throw flattenedError(at, reason);
  for (const field of ['apiVersion', 'kind']) {
    if (typeof value[field] !== 'string' || value[field] === '') throw manifestError(at, `has no ${field}`);
  }
  if (Array.isArray(value['items']) && String(value['kind']).endsWith('List')) {
    value['items'].forEach((item: unknown, index) => {
      const prefix = ['items', index];
      addObject(item, { file: at.file, line: at.lineOf(prefix), lineOf: (path) => at.lineOf([...prefix, ...path]) }, result);
    });
    return;
  }
  if (!isObject(value['metadata'])) throw manifestError(at, `(${String(value['kind'])}) has no metadata`);
  const { name, generateName } = value['metadata'];
  if (typeof name !== 'string' && typeof generateName !== 'string') {
    const line = at.lineOf(['metadata', 'name']);
    throw manifestError(
      { file: at.file, line },
      `(${String(value['kind'])}) has no metadata.name${name === undefined ? '' : ' that is a string: quote it'}`,
    );
  }
  result.manifests.push({ ...at, object: value as KubeObject });
}

// Where the key of a field stands, or the item of a list.
function offsetOf(document: Document.Parsed, path: FieldPath): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1) as string | number;
  if (isMap(parent)) {
    const pair = parent.items.find(({ key }) => String((key as { value?: unknown }).value ?? key) === String(last));
    return (pair?.key as { range?: [number, number, number] } | undefined)?.range?.[0];
  }
  if (isSeq(parent)) return (parent.items[Number(last)] as { range?: [number, number, number] } | undefined)?.range?.[0];
  return undefined;
}

// Counted before expansion: each alias of a collection may multiply.
function aliasCount(document: Document.Parsed): number {
  let count = 0;
  if (isCollection(document.contents)) {
    visit(document.contents, (_key, node) => {
      if (isAlias(node)) count++;
    });
  }
  return count;
}

function manifestError({ file, line }: { file: string; line: number }, what: string, fix?: string): ManifestError {
  return Object.assign(new CodedError({ code: 'LAT2106', what: `${file}:${line}: the document ${what}`, ...(fix ? { fix } : {}) }), {
    file,
    line,
  });
}

function flattenedError(at: { file: string; line: number }, reason: string): ManifestError {
  return manifestError(
    at,
    `has lost its indentation: ${reason}`,
    'indent it again; text copied from a web page often loses leading spaces',
  );
}

const isManifestError = (error: unknown): error is ManifestError => error instanceof CodedError && error.code === 'LAT2106';
