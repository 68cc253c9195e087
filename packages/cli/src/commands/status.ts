import { createHttpTransport, createKubeClient, type KubeClient, loadClusterConfig } from '@lateen/kube';
import type { Deployment, Pod } from '@lateen/kube/types';
import { Command } from 'commander';
import { type MachineReport, requireReport } from '../machine/state-dir.ts';
import { outputOption, renderStructured } from '../output/format.ts';
import type { CliSettings } from '../settings.ts';
import { pathsOf, stateDirOption } from './state-option.ts';

type ComponentStatus = { name: string; ready: number; desired: number };
type MeshStatus = MachineReport & { components: ComponentStatus[]; pods: { running: number; total: number; withSidecar: number } };

const DEPLOYMENTS = { group: 'apps', version: 'v1', resource: 'deployments', namespaced: true };
const PODS = { group: '', version: 'v1', resource: 'pods', namespaced: true };

/** `lateen status`: what runs, where, and whether it is ready. */
export function statusCommand(settings: CliSettings): Command {
  return new Command('status')
    .description('show the running mesh: network, addresses, components, pods')
    .addOption(stateDirOption(settings))
    .addOption(outputOption())
    .action(async (options: { stateDir: string; output?: string }) => {
      const report = requireReport(pathsOf(options));
      const client = createKubeClient(createHttpTransport(loadClusterConfig({ env: {}, path: report.kubeconfig })));
      try {
        const status = await readStatus(client, report);
        process.stdout.write(options.output ? await renderStructured(status, options.output) : renderStatus(status));
        if (status.components.some(({ ready, desired }) => ready < desired)) process.exitCode = 1;
      } finally {
        await client.close();
      }
    });
}

async function readStatus(client: KubeClient, report: MachineReport): Promise<MeshStatus> {
  const [deployments, pods] = await Promise.all([
    client.listAll<Deployment>(DEPLOYMENTS, { namespace: 'istio-system' }),
    client.listAll<Pod>(PODS),
  ]);
  return {
    ...report,
    components: deployments.items.map(({ metadata, spec, status }) => ({
      name: metadata.name,
      ready: status?.readyReplicas ?? 0,
      desired: spec.replicas ?? 1,
    })),
    pods: {
      running: pods.items.filter(({ status }) => status?.phase === 'Running').length,
      total: pods.items.length,
      withSidecar: pods.items.filter(({ spec }) =>
        [...spec.containers, ...(spec.initContainers ?? [])].some(({ name }) => name === 'istio-proxy'),
      ).length,
    },
  };
}

function renderStatus(status: MeshStatus): string {
  const rows: [string, string][] = [
    ['network', `${status.network.mode} (${status.network.reason})`],
    ['API server', status.apiServer],
    ['kubeconfig', status.kubeconfig],
    ['gateway', status.gateway ?? '(no address)'],
    ['since', `${status.startedAt}, process ${status.pid}`],
    ...status.components.map(({ name, ready, desired }): [string, string] => [name, `${ready}/${desired} ready`]),
    ['pods', `${status.pods.running} of ${status.pods.total} running, ${status.pods.withSidecar} with a proxy`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}\n`).join('');
}
