// The static half of a bootstrap: what a proxy starts from, and whether it could.

import { CodedError } from '@lateen/base';
import type { BootstrapSettings } from '../ads/bootstrap.ts';
import { problemOfSource } from '../ads/config-sources.ts';
import { checkSources, targetOf } from '../ads/dynamic-config.ts';
import { createLiveConfig, type LiveConfig } from '../ads/live-config.ts';
import { duplicatesAmong } from '../listener/listener-set.ts';
import type { ListenerRuntime } from '../runtime/model.ts';
import { createDataReader } from '../tls/local-data.ts';

/** Puts the static clusters, listeners and secrets into force. @throws CodedError LAT4003 with every reason */
export function addStaticResources(config: LiveConfig, { clusters, listeners, secrets = [] }: BootstrapSettings): void {
  const added = config.addStatic({ clusters, listeners, secrets });
  if (!added.ok) throw new CodedError({ code: 'LAT4003', what: 'the static configuration was refused', why: added.error.join('\n') });
}

/**
 * Compiles all that the bootstrap holds, with the files that it names, as a start would, and binds nothing.
 * `environment`: variables that secrets may name. @throws CodedError LAT4003 and those of the sources, with every reason
 */
export function checkBootstrap(bootstrap: BootstrapSettings, environment: Readonly<Record<string, string | undefined>>): void {
  checkSources({ bootstrap });
  let listeners: readonly ListenerRuntime[] = [];
  const config = createLiveConfig({
    now: () => 0,
    problemOfSource: (source) => problemOfSource(source, (clusterName) => targetOf(clusterName, { bootstrap })),
    readData: createDataReader(environment),
    onRuntime: (runtime) => {
      listeners = [...runtime.listeners.values()];
    },
  });
  addStaticResources(config, bootstrap);
  const [duplicate] = duplicatesAmong(listeners);
  if (duplicate) {
    const [name, why] = duplicate;
    throw new CodedError({ code: 'LAT4003', what: `listener ${name} has a duplicate address`, why });
  }
}
