// What an image name means on this machine. There is no container runtime: a catalogue (YAML lists of CatalogueEntry) says
// which local command, or which in-process part, stands for an image. Nothing is ever downloaded.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CodedError, isObject, messageOf } from '@lateen/base';
import { parse as parseYaml } from 'yaml';
import type { CatalogueEntry } from '../contracts.ts';
import { parseImageReference, repositoryMatches } from './image-reference.ts';

/** An entry with its variables (`${node}`, `${here}`, `${tag}`) filled in. */
export type ResolvedImage = {
  /** Who knows the image, in words: "catalogue FILE". */
  source: string;
  /** The folder of the catalogue file, where its programs usually are. */
  here: string | undefined;
  entrypoint: string[];
  cmd: string[];
  env: Record<string, string>;
  builtin: string | undefined;
  workingDir: string | undefined;
};

export type ImageCatalogue = {
  /** The last matching entry of the last file wins, so that people can override ours. Undefined: unknown image. */
  find(image: string): ResolvedImage | undefined;
  /** Everything known, for `lateen images`. */
  entries(): { entry: CatalogueEntry; source: string }[];
};

const FIELDS = new Set(['image', 'entrypoint', 'cmd', 'env', 'builtin', 'workingDir', 'description']);

/**
 * Loads catalogue files.
 * @throws CodedError LAT3101 naming the file and entry that is malformed.
 */
export function createImageCatalogue(files: readonly string[]): ImageCatalogue {
  const loaded = files.flatMap((file) => loadFile(resolve(file)));
  return {
    entries: () => loaded,
    find(image) {
      const { repository, tag } = parseImageReference(image);
      const found = loaded.findLast(({ entry }) => repositoryMatches(parseImageReference(entry.image).repository, repository));
      if (!found) return undefined;
      const { entry, source } = found;
      const fill = (text: string) => fillVariables(text, { node: process.execPath, here: dirname(source), tag });
      return {
        source: `catalogue ${source}`,
        here: dirname(source),
        entrypoint: (entry.entrypoint ?? []).map(fill),
        cmd: (entry.cmd ?? []).map(fill),
        env: Object.fromEntries(Object.entries(entry.env ?? {}).map(([name, value]) => [name, fill(value)])),
        builtin: entry.builtin,
        workingDir: entry.workingDir === undefined ? undefined : fill(entry.workingDir),
      };
    },
  };
}

/** Replaces `${name}` where the name is known. */
export function fillVariables(text: string, values: Record<string, string>): string {
  return text.replace(/\$\{(\w{1,20})\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? (values[name] as string) : whole));
}

function loadFile(file: string): { entry: CatalogueEntry; source: string }[] {
  let list: unknown;
  try {
    list = parseYaml(readFileSync(file, 'utf8')) ?? [];
  } catch (error) {
    throw catalogueError(file, messageOf(error));
  }
  if (!Array.isArray(list)) throw catalogueError(file, 'the file must be a list of entries');
  return list.map((entry: unknown, index) => {
    const problem = problemOf(entry);
    if (problem) throw catalogueError(file, `entry ${index + 1}: ${problem}`);
    return { entry: entry as CatalogueEntry, source: file };
  });
}

function problemOf(entry: unknown): string | undefined {
  if (!isObject(entry)) return 'is not a mapping';
  const unknown = Object.keys(entry).find((key) => !FIELDS.has(key));
  if (unknown) return `unknown field ${JSON.stringify(unknown)}`;
  for (const key of ['image', 'description']) if (typeof entry[key] !== 'string') return `"${key}" must be a text`;
  for (const key of ['entrypoint', 'cmd']) {
    const value = entry[key];
    if (value !== undefined && !(Array.isArray(value) && value.every((word) => typeof word === 'string'))) {
      return `"${key}" must be a list of texts`;
    }
  }
  if (entry.env !== undefined && !(isObject(entry.env) && Object.values(entry.env).every((value) => typeof value === 'string'))) {
    return '"env" must map names to texts';
  }
  if (entry.builtin !== undefined && entry.entrypoint !== undefined) return '"builtin" excludes "entrypoint"';
  return undefined;
}

const catalogueError = (file: string, why: string): CodedError =>
  new CodedError({
    code: 'LAT3101',
    what: `the image catalogue ${file} cannot be read`,
    why,
    fix: 'Each entry needs "image", "description", and "entrypoint", "cmd" or "builtin".',
  });
