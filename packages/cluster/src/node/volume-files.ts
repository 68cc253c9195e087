// What a volume of projected files (configMap, secret, downwardAPI, projected) holds, as values: paths, bytes, modes.

import { CodedError } from '@lateen/base';
import type { DownwardApiFile, KeyToPath, Volume, VolumeProjection } from '@lateen/kube/types';
import type { ProjectedFile } from './atomic-directory.ts';
import { type ConfigurationRef, type ConfigurationSource, configurationError, readConfiguration } from './configuration-source.ts';
import { fieldValue, type PodFacts, resourceValue } from './downward-api.ts';

const DEFAULT_MODE = 0o644;

export type TokenRequestOptions = { audience: string | undefined; expirationSeconds: number };

export type VolumeFilesContext = {
  facts: PodFacts;
  source: ConfigurationSource;
  /** A service account token bound to the pod. */
  token(options: TokenRequestOptions): Promise<string>;
};

type Files = Map<string, ProjectedFile>;

/** Whether the volume is made of projected files, so that `volumeFiles` knows it. */
export const isProjectedVolume = (volume: Volume): boolean =>
  Boolean(volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected);

/** @throws CodedError LAT3110 when a source is missing, LAT3111 when a path would leave the volume. */
export async function volumeFiles(volume: Volume, context: VolumeFilesContext): Promise<Files> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) return projection({ configMap }, configMap.defaultMode ?? DEFAULT_MODE, context);
  if (secret) {
    const { secretName, items, optional } = secret;
    const source = { name: secretName ?? '', ...(items && { items }), ...(optional && { optional }) };
    return projection({ secret: source }, secret.defaultMode ?? DEFAULT_MODE, context);
  }
  if (downwardAPI) return projection({ downwardAPI }, downwardAPI.defaultMode ?? DEFAULT_MODE, context);
  const files: Files = new Map();
  for (const source of projected?.sources ?? []) {
    for (const [path, file] of await projection(source, projected?.defaultMode ?? DEFAULT_MODE, context)) files.set(path, file);
  }
  return files;
}

async function projection(source: VolumeProjection, mode: number, context: VolumeFilesContext): Promise<Files> {
  const namespace = context.facts.pod.metadata.namespace ?? '';
  if (source.configMap ?? source.secret) {
    const { name = '', items, optional = false } = source.configMap ?? source.secret ?? {};
    const ref: ConfigurationRef = { kind: source.configMap ? 'configmap' : 'secret', namespace, name, optional };
    return keysToFiles(await readConfiguration(context.source, ref), { items, mode, ref });
  }
  if (source.downwardAPI) return downwardFiles(source.downwardAPI.items ?? [], mode, context.facts);
  if (source.serviceAccountToken) {
    const { audience, expirationSeconds = 3600, path } = source.serviceAccountToken;
    const token = await context.token({ audience, expirationSeconds });
    return new Map([[checkedPath(path), { data: Buffer.from(token), mode }]]);
  }
  throw configurationError(`volume projection ${Object.keys(source).join(', ')} is not supported here`);
}

type KeySelection = { items: KeyToPath[] | undefined; mode: number; ref: ConfigurationRef };

function keysToFiles(values: Map<string, Buffer> | undefined, { items, mode, ref }: KeySelection): Files {
  const files: Files = new Map();
  if (!items) for (const [key, data] of values ?? []) files.set(checkedPath(key), { data, mode });
  for (const item of items ?? []) {
    const data = values?.get(item.key);
    if (data) files.set(checkedPath(item.path), { data, mode: item.mode ?? mode });
    else if (!ref.optional) throw configurationError(`${ref.kind} ${JSON.stringify(ref.name)} references non-existent key: ${item.key}`);
  }
  return files;
}

function downwardFiles(items: readonly DownwardApiFile[], mode: number, facts: PodFacts): Files {
  const files: Files = new Map();
  for (const item of items) {
    const value = item.fieldRef ? fieldValue(item.fieldRef, facts) : resourceFile(item, facts);
    if (value === undefined) throw configurationError(`downward API file ${JSON.stringify(item.path)}: unsupported reference`);
    files.set(checkedPath(item.path), { data: Buffer.from(value), mode: item.mode ?? mode });
  }
  return files;
}

function resourceFile({ resourceFieldRef: ref }: DownwardApiFile, facts: PodFacts): string | undefined {
  const { containers, initContainers = [] } = facts.pod.spec;
  const container = [...initContainers, ...containers].find(({ name }) => name === ref?.containerName);
  return ref && container ? resourceValue(ref, container, facts) : undefined;
}

function checkedPath(path: string): string {
  const bad = path === '' || path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '' || part.startsWith('..'));
  if (bad)
    throw new CodedError({ code: 'LAT3111', what: `volume path ${JSON.stringify(path)} must be relative and stay inside the volume` });
  return path;
}
