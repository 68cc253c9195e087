// `proxy-config`: what a proxy really has, from its own admin interface or from a saved dump.

import { CodedError, messageOf } from '@lateen/base';
import { Command, InvalidArgumentError } from 'commander';
import { connect, connectionOptions, namespaceOption } from '../objects/connection.ts';
import { outputOption, renderStructured } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import type { ClusterFilter } from '../proxy-config/clusters.ts';
import type { ConfigDump } from '../proxy-config/dump.ts';
import type { EndpointFilter } from '../proxy-config/endpoints.ts';
import type { ListenerFilter } from '../proxy-config/listeners.ts';
import type { CliSettings } from '../settings.ts';

type Options = { kubeconfig?: string; context?: string; namespace?: string; file?: string; output?: string };

const port = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new InvalidArgumentError('not a port');
  return value;
};

export function proxyConfigCommand(settings: CliSettings): Command {
  const command = new Command('proxy-config')
    .alias('pc')
    .description('show the configuration of a proxy: listeners, routes, clusters, endpoints');
  const view = (name: string, alias: string, description: string): Command => {
    const child = new Command(name)
      .aliases([alias, `${name}s`])
      .description(description)
      .argument('[target]', 'POD, POD.NAMESPACE or deployment/NAME')
      .option('-f, --file <file>', 'a saved /config_dump instead of a running proxy; - for standard input');
    for (const option of connectionOptions()) child.addOption(option);
    child.addOption(namespaceOption());
    command.addCommand(child);
    return child;
  };

  view('cluster', 'c', 'clusters')
    .option('--fqdn <name>', 'only clusters of this host')
    .option('--port <port>', 'only of this port', port)
    .option('--subset <name>', 'only of this subset')
    .option('--direction <direction>', 'inbound or outbound')
    .addOption(outputOption(['short']))
    .action(async (target: string | undefined, options: Options & ClusterFilter) => {
      const { CLUSTER_HEADER, clusterRows, selectClusters } = await import('../proxy-config/clusters.ts');
      const selected = selectClusters(await loadDump(target, options, settings), options);
      await print(selected, options, () => renderTable(CLUSTER_HEADER, clusterRows(selected)));
    });

  view('listener', 'l', 'listeners')
    .option('--address <address>', 'only on this address')
    .option('--port <port>', 'only on this port', port)
    .option('--type <type>', 'HTTP, TCP or HTTP+TCP')
    .addOption(outputOption(['short']))
    .action(async (target: string | undefined, options: Options & ListenerFilter) => {
      const { LISTENER_HEADER, listenerRows, selectListeners } = await import('../proxy-config/listeners.ts');
      const selected = selectListeners(await loadDump(target, options, settings), options);
      await print(selected, options, () => renderTable(LISTENER_HEADER, listenerRows(selected)));
    });

  view('route', 'r', 'routes')
    .option('--name <name>', 'only this route configuration')
    .addOption(outputOption(['short']))
    .action(async (target: string | undefined, options: Options & { name?: string }) => {
      const { ROUTE_HEADER, routeRows, selectRoutes } = await import('../proxy-config/routes.ts');
      const selected = selectRoutes(await loadDump(target, options, settings), options);
      await print(selected, options, () => renderTable(ROUTE_HEADER, routeRows(selected)));
    });

  view('endpoint', 'ep', 'endpoints')
    .option('--address <address>', 'only this address')
    .option('--port <port>', 'only this port', port)
    .option('--cluster <name>', 'only of this cluster')
    .option('--status <status>', 'only with this health')
    .addOption(outputOption(['short']))
    .action(async (target: string | undefined, options: Options & EndpointFilter) => {
      const { ENDPOINT_HEADER, endpointRows, selectEndpoints } = await import('../proxy-config/endpoints.ts');
      const selected = selectEndpoints(await loadDump(target, options, settings), options);
      await print(selected, options, () => renderTable(ENDPOINT_HEADER, endpointRows(selected)));
    });

  view('all', 'a', 'everything')
    .addOption(outputOption(['short']))
    .action(async (target: string | undefined, options: Options) => {
      const dump = await loadDump(target, options, settings);
      await print(dump, options, () => renderEverything(dump));
    });

  view('stats', 'st', "the proxy's metrics in Prometheus text").action(async (target: string | undefined, options: Options) => {
    process.stdout.write(await askProxy(requireTarget(target), '/stats/prometheus', { options, settings }));
  });
  return command;
}

async function print(value: unknown, options: Options, table: () => string | Promise<string>): Promise<void> {
  const isStructured = options.output === 'json' || options.output === 'yaml';
  process.stdout.write(isStructured ? await renderStructured(value, options.output as string) : await table());
}

async function renderEverything(dump: ConfigDump): Promise<string> {
  const [clusters, listeners, routes, endpoints] = await Promise.all([
    import('../proxy-config/clusters.ts'),
    import('../proxy-config/listeners.ts'),
    import('../proxy-config/routes.ts'),
    import('../proxy-config/endpoints.ts'),
  ]);
  return [
    renderTable(clusters.CLUSTER_HEADER, clusters.clusterRows(clusters.selectClusters(dump, {}))),
    renderTable(listeners.LISTENER_HEADER, listeners.listenerRows(listeners.selectListeners(dump, {}))),
    renderTable(routes.ROUTE_HEADER, routes.routeRows(routes.selectRoutes(dump, {}))),
    renderTable(endpoints.ENDPOINT_HEADER, endpoints.endpointRows(endpoints.selectEndpoints(dump, {}))),
  ].join('\n');
}

async function loadDump(target: string | undefined, options: Options, settings: CliSettings): Promise<ConfigDump> {
  const { parseConfigDump } = await import('../proxy-config/dump.ts');
  const text =
    options.file === undefined
      ? await askProxy(requireTarget(target), '/config_dump?include_eds', { options, settings })
      : await readDump(options.file);
  try {
    return parseConfigDump(JSON.parse(text));
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw new CodedError({
      code: 'LAT7201',
      what: 'this is not a config dump',
      why: messageOf(error),
      fix: "give the output of a proxy's /config_dump",
    });
  }
}

function requireTarget(target: string | undefined): string {
  if (target !== undefined) return target;
  throw new CodedError({
    code: 'LAT7202',
    what: 'no proxy was named',
    fix: 'give POD, POD.NAMESPACE or deployment/NAME, or a saved dump with --file',
  });
}

async function readDump(file: string): Promise<string> {
  const { readManifestFiles } = await import('../objects/manifest-files.ts');
  return readManifestFiles([file])
    .map(({ text }) => text)
    .join('');
}

async function askProxy(target: string, path: string, { options, settings }: { options: Options; settings: CliSettings }): Promise<string> {
  const { resolvePodTarget } = await import('../objects/pod-target.ts');
  const { requestPod } = await import('../objects/pod-request.ts');
  const connection = connect(options, settings);
  try {
    const pod = await resolvePodTarget(connection.client, target, connection.namespace);
    return await requestPod(connection, pod, { port: ADMIN_PORT, path });
  } finally {
    await connection.close();
  }
}

const ADMIN_PORT = 15000;
