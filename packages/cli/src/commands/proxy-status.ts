// `proxy-status`: which proxies are connected, and whether each has the configuration that was meant for it.

import { Command } from 'commander';
import { connect, connectionOptions, namespaceOption } from '../objects/connection.ts';
import { outputOption, renderStructured } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import { PROXY_STATUS_HEADER, type ProxySync, proxyStatusRows } from '../proxy-status/rows.ts';
import type { CliSettings } from '../settings.ts';

type Options = { kubeconfig?: string; context?: string; namespace?: string; istioNamespace: string; output?: string };

export function proxyStatusCommand(settings: CliSettings): Command {
  const command = new Command('proxy-status')
    .alias('ps')
    .description('list the proxies and whether they have the newest configuration')
    .argument('[target]', 'only POD, POD.NAMESPACE or deployment/NAME')
    .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system')
    .addOption(outputOption(['table']));
  for (const option of connectionOptions()) command.addOption(option);
  return command.addOption(namespaceOption()).action(async (target: string | undefined, options: Options) => {
    const connection = connect(options, settings);
    try {
      const { resolvePodTarget } = await import('../objects/pod-target.ts');
      const { requestControlPlanes } = await import('../proxy-status/control-planes.ts');
      const all = (await requestControlPlanes<ProxySync[]>(connection, options.istioNamespace, '/debug/syncz')).flatMap(({ pod, value }) =>
        value.map((sync) => ({ ...sync, istiod: pod })),
      );
      const wanted = target === undefined ? undefined : await resolvePodTarget(connection.client, target, connection.namespace);
      const shown = wanted ? all.filter(({ proxy }) => proxy === `${wanted.name}.${wanted.namespace}`) : all;
      if (options.output === 'json' || options.output === 'yaml') process.stdout.write(await renderStructured(shown, options.output));
      else process.stdout.write(renderTable(PROXY_STATUS_HEADER, proxyStatusRows(shown)));
    } finally {
      await connection.close();
    }
  });
}
