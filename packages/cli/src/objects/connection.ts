// How a command reaches an API server: --kubeconfig and KUBECONFIG as kubectl has them; without either, the mesh of `lateen up`.

import { createHttpTransport, createKubeClient, type KubeClient, type KubeTransport, loadClusterConfig } from '@lateen/kube';
import { Option } from 'commander';
import { readReport, statePaths } from '../machine/state-dir.ts';
import type { CliSettings } from '../settings.ts';

export type ConnectionOptions = { kubeconfig?: string; context?: string; namespace?: string };

/** The flags that every command with a connection has; `-n` only where objects have a namespace. */
export function connectionOptions({ shortKubeconfig = true } = {}): Option[] {
  return [
    new Option(
      `${shortKubeconfig ? '-c, ' : ''}--kubeconfig <file>`,
      'kubeconfig file (default: KUBECONFIG, else the mesh of "lateen up", else ~/.kube/config)',
    ),
    new Option('--context <name>', 'context of the kubeconfig'),
  ];
}

export function namespaceOption(): Option {
  return new Option('-n, --namespace <name>', 'namespace');
}

export type Connection = { client: KubeClient; namespace: string; close(): Promise<void> };

/** Opens a connection; warnings of the server go to standard error. The caller closes it. */
export function connect(options: ConnectionOptions, settings: CliSettings): Connection {
  const running =
    options.kubeconfig === undefined && settings.kubeconfig === undefined ? readReport(statePaths(settings.stateDir)) : undefined;
  const path = options.kubeconfig ?? running?.kubeconfig;
  const config = loadClusterConfig({
    env: process.env,
    ...(path === undefined ? {} : { path }),
    ...(options.context === undefined ? {} : { context: options.context }),
  });
  const client = createKubeClient(withWarnings(createHttpTransport(config, { env: process.env })), { fieldManager: 'lateen' });
  return {
    client,
    namespace: options.namespace ?? config.namespace ?? 'default',
    close: async () => void (await client.close()),
  };
}

// RFC 9111: 299 - "text"; the API server sends one header a warning, which arrive joined.
function withWarnings(transport: KubeTransport): KubeTransport {
  return {
    close: () => transport.close(),
    async request(request) {
      const response = await transport.request(request);
      for (const match of (response.headers.warning ?? '').matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)) {
        process.stderr.write(`Warning: ${(match[1] as string).replace(/\\(.)/g, '$1')}\n`);
      }
      return response;
    },
  };
}
