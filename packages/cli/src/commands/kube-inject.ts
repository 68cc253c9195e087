// `kube-inject`: sidecars into the workloads of a file, to standard output. What decides comes from files and flags, or from the
// cluster's own configuration where there is a cluster; alone it takes Istio's defaults.

import { writeFileSync } from 'node:fs';
import { CodedError, isObject, messageOf } from '@lateen/base';
import type { ConfigMap } from '@lateen/kube/types';
import type { InjectConfigOptions, Values } from '@lateen/mesh/inject';
import { Command } from 'commander';
import { connect, connectionOptions, namespaceOption } from '../objects/connection.ts';
import type { CliSettings } from '../settings.ts';

type Options = {
  filename: string[];
  output?: string;
  set: string[];
  meshConfigFile?: string;
  valuesFile?: string;
  injectConfigFile?: string;
  revision?: string;
  istioNamespace: string;
  kubeconfig?: string;
  context?: string;
  namespace?: string;
};

const collect = (value: string, all: string[]): string[] => [...all, value];
const CONFIG_MAPS = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };

export function kubeInjectCommand(settings: CliSettings): Command {
  const command = new Command('kube-inject')
    .description('inject the sidecar into workloads of a file; the result goes to standard output')
    .requiredOption('-f, --filename <file>', 'file, or - for standard input', collect, [])
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
  const { createInjectConfig, injectObject } = await import('@lateen/mesh/inject');
  const { readManifestFiles } = await import('../objects/manifest-files.ts');
  const { parseManifestsStrict } = await import('@lateen/kube');
  const { stringify } = await import('yaml');
  const config = createInjectConfig(await injectOptions(options, settings));
  const documents = readManifestFiles(options.filename).flatMap(({ file, text }) => parseManifestsStrict(text, { file }));
  const rendered = documents.map(({ object }) => {
    const { object: injected, warnings } = injectObject(object, config);
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    return stringify(injected, { lineWidth: 0 });
  });
  const text = rendered.map((document) => `${document}---\n`).join('');
  if (options.output === undefined) process.stdout.write(text);
  else writeFileSync(options.output, text);
}

async function injectOptions(options: Options, settings: CliSettings): Promise<InjectConfigOptions> {
  const { overlayValues, parseSetFlags } = await import('@lateen/mesh/inject');
  const files = {
    mesh: await readYaml(options.meshConfigFile),
    values: await readYaml(options.valuesFile),
    config: await readYaml(options.injectConfigFile),
  };
  const isComplete = files.mesh && files.values;
  const cluster = isComplete ? {} : await readCluster(options, settings);
  const flags = parseSetFlags(options.set);
  const injectConfig = files.config ?? cluster.config;
  return {
    values: overlayValues(files.values ?? cluster.values ?? {}, flags.values),
    meshConfig: overlayValues(files.mesh ?? cluster.mesh ?? {}, flags.meshConfig),
    env: process.env,
    ...(injectConfig ? { injectConfig } : {}),
    ...(options.revision === undefined ? {} : { revision: options.revision }),
  };
}

async function readYaml(file: string | undefined): Promise<Values | undefined> {
  if (file === undefined) return undefined;
  const { readFileSync } = await import('node:fs');
  try {
    return await parseValues(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CodedError({ code: 'LAT0311', what: `cannot read ${file}`, why: messageOf(error), cause: error });
  }
}

async function parseValues(text: string): Promise<Values> {
  const { parse } = await import('yaml');
  const value: unknown = parse(text, { maxAliasCount: 100 }) ?? {};
  if (!isObject(value)) throw new Error('the document is not a mapping');
  return value;
}

type ClusterConfiguration = { mesh?: Values; values?: Values; config?: Values };

/** The cluster's own configuration. No kubeconfig: nothing; a cluster that does not answer: a warning and nothing. */
async function readCluster(options: Options, settings: CliSettings): Promise<ClusterConfiguration> {
  let connection: ReturnType<typeof connect>;
  try {
    connection = connect(options, settings);
  } catch (error) {
    if (options.kubeconfig !== undefined || options.context !== undefined) throw error;
    return {};
  }
  const suffix = options.revision && options.revision !== 'default' ? `-${options.revision}` : '';
  const read = (name: string) =>
    connection.client.get<ConfigMap>(CONFIG_MAPS, { namespace: options.istioNamespace, name: `${name}${suffix}` });
  try {
    const [mesh, injector] = await Promise.all([read('istio'), read('istio-sidecar-injector')]);
    return {
      mesh: await parseValues(mesh.data?.['mesh'] ?? ''),
      values: await parseValues(injector.data?.['values'] ?? ''),
      config: await parseValues(injector.data?.['config'] ?? ''),
    };
  } catch (error) {
    process.stderr.write(`Warning: the configuration of the cluster cannot be read (${messageOf(error)}); Istio's defaults are used\n`);
    return {};
  } finally {
    await connection.close();
  }
}
