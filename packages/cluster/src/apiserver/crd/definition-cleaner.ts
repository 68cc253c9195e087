// Deleting a CustomResourceDefinition deletes its objects first: the definition waits with a finalizer until they are gone.

import { type Logger, messageOf } from '@lateen/base';
import { createKubeClient, type KubeTransport } from '@lateen/kube';
import type { CustomResourceDefinition, KubeObject } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';

export const DEFINITION_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';
const CRDS = 'customresourcedefinitions.apiextensions.k8s.io';

/** Works from now until closed. */
export function createDefinitionCleaner(options: { store: Store; transport: KubeTransport; logger: Logger }): { close(): void } {
  const { store, logger } = options;
  const client = createKubeClient(options.transport);
  const objectWatches = new Map<string, () => void>();
  let isClosed = false;

  const step = (definition: KubeObject) => {
    if (isClosed || !definition.metadata.deletionTimestamp || !definition.metadata.finalizers?.includes(DEFINITION_FINALIZER)) return;
    clean(definition as unknown as CustomResourceDefinition).catch((error: unknown) => {
      if (!isClosed) logger.warn('cannot clean up after a definition', { definition: definition.metadata.name, error: messageOf(error) });
    });
  };

  async function clean(definition: CustomResourceDefinition): Promise<void> {
    const { group, names, scope, versions } = definition.spec;
    const { name } = definition.metadata;
    const resource = `${names.plural}.${group}`;
    const remaining = store.list({ resource }) ?? [];
    const version = versions.find((one) => one.served)?.name;
    if (remaining.length === 0 || version === undefined) {
      objectWatches.get(name)?.();
      objectWatches.delete(name);
      const crds = { group: 'apiextensions.k8s.io', version: 'v1', resource: 'customresourcedefinitions', namespaced: false };
      const finalizers = (definition.metadata.finalizers ?? []).filter((one) => one !== DEFINITION_FINALIZER);
      await client.patch(crds, { name }, { type: 'merge', body: { metadata: { finalizers: finalizers.length > 0 ? finalizers : null } } });
      return;
    }
    // Objects with finalizers of their own go later; look again when each does.
    if (!objectWatches.has(name)) {
      const stop = store.watch({ resource }, store.revision, (event) => {
        const current = event.type === 'DELETED' ? store.get({ resource: CRDS, namespace: '', name }) : undefined;
        if (current && (store.list({ resource }) ?? []).length === 0) step(current);
      });
      if (stop) objectWatches.set(name, stop);
    }
    const ref = { group, version, resource: names.plural, namespaced: scope === 'Namespaced' };
    for (const { metadata } of remaining) {
      if (metadata.deletionTimestamp) continue;
      await client
        .delete(ref, { name: metadata.name, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) })
        .catch(() => undefined);
    }
  }

  const stop = store.watch({ resource: CRDS }, store.revision, (event) => void (event.type !== 'DELETED' && step(event.object)));
  for (const definition of store.list({ resource: CRDS }) ?? []) step(definition);
  return {
    close() {
      isClosed = true;
      stop?.();
      for (const end of objectWatches.values()) end();
    },
  };
}
