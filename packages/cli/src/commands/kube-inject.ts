// `kube-inject`: sidecars into the workloads of a file, to standard output. What decides comes from files and flags, or from the
// cluster's own configuration where there is a cluster; alone it takes Istio's defaults.

import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { connectionOptions, namespaceOption } from '../objects/connection.ts';
import type { CliSettings } from '../settings.ts';
import type { InjectFlags } from './kube-inject-config.ts';

type Options = InjectFlags & { filename: string[]; output?: string };

const collect = (value: string, all: string[] = []): string[] => [...all, value];

export function kubeInjectCommand(settings: CliSettings): Command {
  const command = new Command('kube-inject')
    .description('inject the sidecar into workloads of a file; the result goes to standard output')
    .requiredOption('-f, --filename <file>', 'file, or - for standard input; may be given more than once', collect)
    .option('-o, --output <file>', 'write the result to this file')
    .option(
      '--set <path=value>',
      'an installation setting, e.g. values.global.proxy.logLevel=debug; may be given more than once',
      collect,
      [],
    )
    .option('--meshConfigFile <file>', "MeshConfig (default: of the cluster, else Istio's defaults)")
    .option('--valuesFile <file>', "the injector's chart values (default: of the cluster, else Istio's defaults)")
    .option('--injectConfigFile <file>', "the injector's configuration: policy, selectors, templates")
    .option('--operatorFileName <file>', 'IstioOperator, laid over the mesh configuration and the chart values')
    .option('--meshConfigMapName <name>', "ConfigMap of the cluster's mesh configuration", 'istio')
    .option('--injectConfigMapName <name>', "ConfigMap of the cluster's injector", 'istio-sidecar-injector')
    .option('-r, --revision <name>', 'control plane revision')
    .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system');
  for (const option of connectionOptions()) command.addOption(option);
  return command
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      `\nExample:\n  kubectl apply -f <(${settings.programName} kube-inject -f samples/bookinfo/platform/kube/bookinfo.yaml)`,
    )
    .action((options: Options) => runKubeInject(options, settings));
}

async function runKubeInject(options: Options, settings: CliSettings): Promise<void> {
  const { createInjectConfig } = await import('@lateen/mesh/inject');
  const { readManifestFiles } = await import('../objects/manifest-files.ts');
  const { injectOptions } = await import('./kube-inject-config.ts');
  const { injectDocuments } = await import('./kube-inject-documents.ts');
  const config = createInjectConfig(await injectOptions(options, settings));
  const results = readManifestFiles(options.filename).map((manifest) => injectDocuments({ ...manifest, config }));
  for (const warning of results.flatMap(({ warnings }) => warnings)) process.stderr.write(`${warning}\n`);
  const text = results.map((result) => result.text).join('');
  if (options.output === undefined) process.stdout.write(text);
  else writeFileSync(options.output, text);
}
