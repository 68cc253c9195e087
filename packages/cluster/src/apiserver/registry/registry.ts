// Which resources exist now: the built-in ones and those of established definitions. Discovery and OpenAPI read it, so a new
// definition shows everywhere at once.

import type { CustomResourceDefinition, KubeObject } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';
import { builtinResources } from './builtin.ts';
import { customResources } from './custom.ts';
import type { Resource } from './resource.ts';

export type Registry = {
  find(group: string, version: string, plural: string): Resource | undefined;
  findKind(group: string, version: string, kind: string): Resource | undefined;
  /** In order of groups (core first) and versions. */
  all(): readonly Resource[];
  /** One resource for each place in the store (the version that stores). */
  stored(): readonly Resource[];
  /** Counts up when definitions change; the hash of discovery and OpenAPI. */
  readonly generation: number;
  close(): void;
};

const CRDS = 'customresourcedefinitions.apiextensions.k8s.io';

/** A registry that follows the definitions in `store`. */
export function createRegistry(store: Store): Registry {
  const builtin = builtinResources();
  const custom = new Map<string, Resource[]>();
  let generation = 0;
  let all: Resource[] = [];
  const rebuild = () => {
    generation++;
    all = [...builtin, ...[...custom.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, resources]) => resources)];
  };
  const follow = (object: KubeObject, gone: boolean) => {
    const definition = object as unknown as CustomResourceDefinition;
    if (gone) custom.delete(object.metadata.name);
    else custom.set(object.metadata.name, customResources(definition));
    rebuild();
  };
  for (const object of store.list({ resource: CRDS }) ?? []) follow(object, false);
  rebuild();
  const stop = store.watch({ resource: CRDS }, store.revision, ({ type, object, previous }) => {
    // Status and metadata writes change nothing here.
    if (type === 'MODIFIED' && previous?.['spec'] === object['spec']) return;
    follow(object, type === 'DELETED');
  });
  return {
    find: (group, version, plural) => all.find((one) => one.plural === plural && one.group === group && one.version === version),
    findKind: (group, version, kind) => all.find((one) => one.kind === kind && one.group === group && one.version === version),
    all: () => all,
    stored: () => all.filter((one, i) => one.verbs.includes('list') && all.findIndex((other) => other.storage === one.storage) === i),
    get generation() {
      return generation;
    },
    close: () => stop?.(),
  };
}
