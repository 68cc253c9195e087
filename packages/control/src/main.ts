// The control plane as a process: arguments and environment in, a running control plane out.

import { createLogger, type Logger } from '@lateen/base';
import { createHttpTransport, createKubeClient, type KubeClient, loadClusterConfig, loadInClusterConfig } from '@lateen/kube';
import { type ControlPlaneArguments, parseControlPlaneArgs } from './arguments.ts';
import { type ConfigurationSource, type ControlPlane, startControlPlane } from './control.ts';
import { type ControlSettings, readSettings } from './settings.ts';

/** Starts from a command line. The caller closes it. @throws CodedError for bad arguments, addresses or sources. */
export async function runControlPlane(
  args: readonly string[],
  options: { settings?: ControlSettings; logger?: Logger } = {},
): Promise<ControlPlane> {
  const parsed = parseControlPlaneArgs(args);
  const settings = options.settings ?? readSettings();
  const logger = options.logger ?? createLogger({ level: parsed.logLevel, format: parsed.logFormat });
  const client = parsed.configDir === undefined ? connect(parsed, settings) : undefined;
  const { monitoring, webhooks, xds, http } = parsed;
  const controlPlane = await startControlPlane({
    source: client ? { kind: 'kubernetes', client } : directorySource(parsed),
    xds,
    http,
    ...(monitoring && { monitoring }),
    ...(webhooks && { webhooks }),
    namespace: settings.namespace,
    clusterId: settings.clusterId,
    podName: settings.podName,
    debounceAfterMs: settings.debounceAfterMs,
    debounceMaxMs: settings.debounceMaxMs,
    env: settings.env,
    logger,
  });
  return {
    ports: controlPlane.ports,
    async close() {
      await controlPlane.close();
      await client?.close();
    },
  };
}

function directorySource({ configDir, meshConfigFile }: ControlPlaneArguments): ConfigurationSource {
  return { kind: 'directory', directory: configDir ?? '.', ...(meshConfigFile && { meshConfigFile }) };
}

function connect({ kubeconfig, context }: ControlPlaneArguments, settings: ControlSettings): KubeClient {
  const inCluster = kubeconfig || context ? undefined : loadInClusterConfig({ ...settings.env }, settings.serviceAccountDir);
  const config =
    inCluster ?? loadClusterConfig({ env: { ...settings.env }, ...(kubeconfig && { path: kubeconfig }), ...(context && { context }) });
  return createKubeClient(createHttpTransport(config), { fieldManager: 'istiod' });
}
