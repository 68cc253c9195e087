// Objects from a directory of YAML files, read again whenever something in it changes. A broken file keeps the objects it had.

import { type FSWatcher, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type KubeObjectLike, validateResource } from '@lateen/api';
import { type Clock, CodedError, jsonEqual, type Logger, messageOf, silentLogger, systemClock, type Timer } from '@lateen/base';
import { parseManifests } from '@lateen/kube';
import type { KubeObject } from '@lateen/kube/types';
import { checkSupport, INGESTED_KINDS, keyOf, type MeshConfig, type ObjectChange } from '@lateen/mesh';
import { readMeshConfig } from './mesh-config.ts';
import type { ObjectSink, ObjectSource } from './source.ts';

export type DirectorySourceOptions = {
  directory: string;
  /** MeshConfig as YAML; without it, ConfigMap "istio" in the directory, or the defaults. */
  meshConfigFile?: string;
  clusterId: string;
  clock?: Clock;
  logger?: Logger;
};

type File = { text: string; objects: readonly KubeObject[] };

const SETTLE_MS = 20;
// Some file systems report no changes.
const RESCAN_MS = 2_000;
const KNOWN_KINDS = new Set<string>([...INGESTED_KINDS, 'ConfigMap']);

export function createDirectorySource(options: DirectorySourceOptions): ObjectSource {
  const { directory, meshConfigFile, clusterId, clock = systemClock, logger = silentLogger } = options;
  let files = new Map<string, File>();
  let known = new Map<string, KubeObject>();
  let mesh: { text: string | undefined; config: MeshConfig } | undefined;
  const watchers: FSWatcher[] = [];
  const timers: Timer[] = [];
  let settling: Timer | undefined;

  // A file whose text has not changed is not parsed (nor complained about) again.
  const readFile = (path: string): File => {
    const old = files.get(path);
    try {
      const text = readFileSync(path, 'utf8');
      if (old?.text === text) return old;
      const { manifests, errors } = parseManifests(text, { file: path });
      for (const error of errors) logger.error('cannot read an object', { file: path, line: error.line, error: error.message });
      // One broken document: the whole file keeps its last good state.
      const objects =
        errors.length > 0 && old
          ? old.objects
          : manifests.map(({ object }) => withNamespace(object)).filter((object) => isValid(object, path));
      return { text, objects };
    } catch (error) {
      logger.error('cannot read a file', { file: path, error: messageOf(error) });
      return old ?? { text: '', objects: [] };
    }
  };

  // There is no webhook before a directory.
  const isValid = (object: KubeObject, file: string): boolean => {
    const findings = validateResource(object as KubeObjectLike);
    for (const { code, level, path, message } of [...findings, ...checkSupport(object)]) {
      if (level === 'error')
        logger.error('an object is not valid and is left out', { code, file, object: identityOf(object), path, message });
      else if (level === 'warning') logger.warn('an object is questionable', { code, file, object: identityOf(object), path, message });
    }
    return !findings.some(({ level }) => level === 'error');
  };

  const currentMeshConfig = (): MeshConfig => {
    const text = meshConfigFile ? readFileSync(meshConfigFile, 'utf8') : meshConfigMap(known);
    if (mesh && mesh.text === text) return mesh.config;
    mesh = { text, config: readMeshConfig(text, logger) };
    return mesh.config;
  };

  const scan = (sink: ObjectSink): void => {
    files = new Map(yamlFiles(directory).map((path) => [path, readFile(path)]));
    const next = new Map<string, KubeObject>();
    // Of an object declared twice the last file wins.
    for (const { objects } of files.values()) for (const object of objects) next.set(identityOf(object), object);
    const changes: ObjectChange[] = [];
    for (const [key, object] of next) {
      const old = known.get(key);
      if (!old || !jsonEqual(old, object)) changes.push({ type: 'apply', object });
    }
    for (const [key, object] of known) if (!next.has(key)) changes.push({ type: 'delete', object });
    for (const { object } of changes)
      if (!KNOWN_KINDS.has(object.kind)) logger.debug('a kind without meaning to the mesh', { object: identityOf(object) });
    known = next;
    sink.setMeshConfig({ ...currentMeshConfig(), clusterId });
    if (changes.length > 0) sink.change(changes);
  };

  return {
    start(sink) {
      scan(sink);
      const settle = (): void => {
        settling?.cancel();
        settling = clock.after(SETTLE_MS, () => {
          try {
            scan(sink);
          } catch (error) {
            logger.error('cannot reload the configuration; the last good one stays', { error: messageOf(error) });
          }
        });
      };
      for (const path of [directory, ...(meshConfigFile ? [meshConfigFile] : [])]) {
        const watcher = watch(path, { recursive: path === directory }, settle);
        watcher.on('error', (error) => logger.warn('watching failed; changes are found by reading again', { path, error: error.message }));
        watchers.push(watcher);
      }
      timers.push(clock.every(RESCAN_MS, settle));
      return Promise.resolve();
    },
    close() {
      settling?.cancel();
      for (const timer of timers) timer.cancel();
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** @throws CodedError LAT0403 when the directory cannot be read. */
function yamlFiles(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ya?ml|json)$/.test(entry.name) && !entry.name.startsWith('.'))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  } catch (error) {
    throw new CodedError({
      code: 'LAT0403',
      what: `cannot read the configuration directory ${directory}`,
      why: messageOf(error),
      fix: 'give --config-dir an existing directory',
      cause: error,
    });
  }
}

function meshConfigMap(objects: ReadonlyMap<string, KubeObject>): string | undefined {
  for (const object of objects.values()) {
    if (object.kind === 'ConfigMap' && object.metadata.name === 'istio')
      return (object['data'] as Record<string, string> | undefined)?.['mesh'];
  }
  return undefined;
}

const identityOf = (object: Pick<KubeObject, 'kind' | 'metadata'> & { apiVersion?: string }): string =>
  `${object.apiVersion?.split('/', 1)[0] ?? ''}/${object.kind}/${keyOf(object)}`;

const CLUSTER_SCOPED = new Set(['Namespace', 'Node', 'CustomResourceDefinition', 'ClusterRole', 'ClusterRoleBinding']);

const withNamespace = (object: KubeObject): KubeObject =>
  CLUSTER_SCOPED.has(object.kind) || object.metadata.namespace
    ? object
    : { ...object, metadata: { ...object.metadata, namespace: 'default' } };
