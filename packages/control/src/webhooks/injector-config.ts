// The injector's configuration, read from ConfigMap "istio-sidecar-injector" (keys config and values) and ConfigMap "istio"
// (key mesh), and read again whenever either changes. A broken one keeps the last good one.

import { type Clock, type Closable, isObject, type Logger, messageOf } from '@lateen/base';
import { createInformer, type Informer, type KubeClient } from '@lateen/kube';
import type { ConfigMap, KubeObject, ResourceRef } from '@lateen/kube/types';
import { createInjectConfig, type InjectConfig } from '@lateen/mesh/inject';
import { parse as parseYaml } from 'yaml';

import { MUTATING_WEBHOOKS } from './registration.ts';

const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };

export type InjectorConfigOptions = {
  client: KubeClient;
  namespace: string;
  /** istiod's environment switches. */
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  logger: Logger;
};

export type InjectorConfigSource = Closable & { readonly current: InjectConfig };

/** A tag is one more webhook configuration, labelled with its name and the revision it points to. */
const TAG_LABEL = 'istio.io/tag';

export async function followInjectorConfig({
  client,
  namespace,
  env,
  clock,
  logger,
}: InjectorConfigOptions): Promise<InjectorConfigSource> {
  let current = createInjectConfig({ env: { ...env } });
  const informers: Informer<KubeObject & ConfigMap>[] = [];
  const revision = env['REVISION'] || 'default';
  const dataOf = (name: string): Record<string, string> =>
    informers.map((informer) => informer.store.get(namespace, name)).find(Boolean)?.data ?? {};
  const reload = (): void => {
    const injector = dataOf('istio-sidecar-injector');
    try {
      current = createInjectConfig({
        values: mapping(injector['values']),
        meshConfig: mapping(dataOf('istio')['mesh']),
        injectConfig: mapping(injector['config']),
        env: { ...env },
        revision,
        tags: tags.store.list().map(({ metadata }) => metadata.labels?.[TAG_LABEL] ?? ''),
      });
    } catch (error) {
      logger.error('cannot read the injection configuration; the last good one stays', { error: messageOf(error) });
    }
  };
  const handlers = { onAdd: reload, onUpdate: reload, onDelete: reload };
  const tags = createInformer<KubeObject>({
    client,
    resource: MUTATING_WEBHOOKS,
    labelSelector: `${TAG_LABEL},istio.io/rev=${revision}`,
    clock,
    logger,
    handlers,
  });
  for (const name of ['istio-sidecar-injector', 'istio']) {
    informers.push(
      createInformer<KubeObject & ConfigMap>({
        client,
        resource: CONFIG_MAPS,
        namespace,
        fieldSelector: `metadata.name=${name}`,
        clock,
        logger,
        handlers,
      }),
    );
  }
  const all = [...informers, tags];
  const close = async () => void (await Promise.all(all.map((informer) => informer.close())));
  await Promise.all(all.map((informer) => informer.synced()));
  reload();
  return {
    get current() {
      return current;
    },
    close,
  };
}

// JSON is YAML.
function mapping(text: string | undefined): Record<string, unknown> {
  const value: unknown = text ? parseYaml(text) : {};
  return isObject(value) ? value : {};
}
