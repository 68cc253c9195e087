// A manifest file as the documents it is made of: what is injected is written anew, everything else stays as it was written,
// comments included.

import { CodedError, isObject } from '@lateen/base';
import { type Manifest, parseManifestsStrict } from '@lateen/kube';
import type { KubeObject } from '@lateen/kube/types';
import { type InjectConfig, injectObject } from '@lateen/mesh/inject';
import { parseAllDocuments, stringify } from 'yaml';

/** Injects every document of a file. Each ends in a "---" line. @throws CodedError naming the document */
export function injectDocuments({ file, text, config }: { file: string; text: string; config: InjectConfig }): {
  text: string;
  warnings: string[];
} {
  const warnings: string[] = [];
  const rendered = splitDocuments(text, file).map((document) => {
    const result = inject(document, config);
    warnings.push(...result.warnings);
    // Strings like "yes" and "0644" are quoted: kubectl reads YAML 1.1.
    return result.object === document.object ? document.text : stringify(result.object, { lineWidth: 0, compat: 'yaml-1.1' });
  });
  return { text: rendered.map((document) => `${document}---\n`).join(''), warnings };
}

type SourceDocument = { object: KubeObject; text: string; at: string };

function inject({ object, at }: SourceDocument, config: InjectConfig): ReturnType<typeof injectObject> {
  try {
    return injectObject(object, config);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const { code, what, why, fix } = error;
    throw new CodedError({ code, what: `${at}: ${what}`, ...(why ? { why } : {}), ...(fix ? { fix } : {}), cause: error });
  }
}

function splitDocuments(text: string, file: string): SourceDocument[] {
  // The kube parser reads and checks the objects but takes Lists apart; here they are put together again.
  const manifests = parseManifestsStrict(text, { file })[Symbol.iterator]();
  const documents = parseAllDocuments(text, { version: '1.1', merge: true, logLevel: 'silent' });
  let end = 0;
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    // Comments before a document belong to it.
    const start = end;
    end = document.range[2];
    const outline: unknown = document.toJS({ maxAliasCount: 100 });
    if (!isObject(outline)) return [];
    const { object, first } = restore(outline, manifests);
    const name = object.metadata?.name;
    const at = `${file}${first ? `:${first.line}` : ''}: ${object.kind}${name === undefined ? '' : ` ${JSON.stringify(name)}`}`;
    return [{ object, text: withoutMarkers(text.slice(start, end)), at }];
  });
}

/** The object that an outline stands for, its values as the kube parser reads them. */
function restore(outline: Record<string, unknown>, manifests: Iterator<Manifest>): { object: KubeObject; first?: Manifest } {
  const { kind, items } = outline;
  if (!Array.isArray(items) || !String(kind).endsWith('List')) {
    const { done, value } = manifests.next();
    if (done) throw new Error('a document has no object');
    return { object: value.object, first: value };
  }
  const restored = items.map((item) => restore(item as Record<string, unknown>, manifests));
  const first = restored[0]?.first;
  return { object: { ...outline, items: restored.map(({ object }) => object) } as unknown as KubeObject, ...(first ? { first } : {}) };
}

function withoutMarkers(text: string): string {
  const body = text.replace(/^---[ \t]*\r?\n?/m, '').replace(/^\.\.\.\s*$/m, '');
  return body.endsWith('\n') ? body : `${body}\n`;
}
