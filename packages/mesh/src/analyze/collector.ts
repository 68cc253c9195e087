// Where analyzers put their findings: adds the object, its file and the line of the field.

import { catalogueEntry, type Finding, type FindingLevel, type KubeObjectLike, resourceRefOf } from '@lateen/api';
import type { KubeObject } from '@lateen/kube/types';
import type { World } from './world.ts';

export type Detail = { path?: string; message: string; fix?: string; level?: FindingLevel };

type Place = NonNullable<World['objects'][number]['source']>;

export class Collector {
  readonly findings: Finding[] = [];
  readonly #sources = new Map<string, Place>();

  constructor(world: World) {
    for (const { object, source } of world.objects) if (source) this.#sources.set(keyOf(object), source);
  }

  /** Adds a finding with the level the catalogue gives the code. */
  add(code: string, object: { kind: string; apiVersion: string; metadata: KubeObject['metadata'] }, detail: Detail): void {
    const level = detail.level ?? catalogueEntry(code)?.level ?? 'warning';
    const { path = '', message, fix } = detail;
    this.addFinding({ code, level, path, message, ...(fix ? { fix } : {}) }, object as KubeObject);
  }

  /** Adds a finding made elsewhere, with its place. */
  addFinding(finding: Finding, object: KubeObject): void {
    const source = this.#sources.get(keyOf(object));
    const line = source?.lineOf?.(pathSegments(finding.path)) ?? source?.line;
    this.findings.push({
      ...finding,
      resource: { ...resourceRefOf(object as KubeObjectLike), ...(source?.file ? { file: source.file } : {}) },
      ...(line === undefined ? {} : { line }),
    });
  }
}

const keyOf = ({ apiVersion, kind, metadata }: KubeObject): string =>
  `${apiVersion.split('/')[0]}/${kind}/${metadata.namespace ?? ''}/${metadata.name}`;

/** "spec.http[0].match" -> ["spec", "http", 0, "match"]; keys in brackets stay text. */
function pathSegments(path: string): (string | number)[] {
  return [...path.matchAll(/([^.[\]]+)|\[([^\]]*)\]/g)].map(([, name, inner]) =>
    name !== undefined ? name : /^\d+$/.test(inner ?? '') ? Number(inner) : (inner ?? ''),
  );
}
