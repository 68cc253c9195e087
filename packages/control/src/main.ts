// The control plane as a process: arguments and environment in, a running control plane out.

import { createLogger, type Logger } from '@lateen/base';
import { createHttpTransport, createKubeClient, type KubeClient, loadClusterConfig, loadInClusterConfig } from '@lateen/kube';
import type { HttpAddress } from './admin/http-server.ts';
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
  const assigned = <T extends HttpAddress | undefined>(address: T) => assignedAddress(address, settings.env);
  const [xds, http, monitoring, webhooks] = [
    assigned(parsed.xds),
    assigned(parsed.http),
    assigned(parsed.monitoring),
    assigned(parsed.webhooks),
  ];
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

/** Where pods share the machine's ports, PORT_<n> says which one stands for port n of this pod. */
function assignedAddress<T extends HttpAddress | undefined>(address: T, env: ControlSettings['env']): T {
  const port = Number(env[`PORT_${address?.port}`]);
  return address && Number.isInteger(port) && port > 0 && port < 65_536 ? { ...address, host: '127.0.0.1', port } : address;
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
