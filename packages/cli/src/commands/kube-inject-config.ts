// What decides an injection on the command line: files and flags first, then the configuration of the cluster, then Istio's defaults.

import { readFileSync } from 'node:fs';
import { CodedError, isObject, messageOf } from '@lateen/base';
import type { ConfigMap } from '@lateen/kube/types';
import { type InjectConfigOptions, installOverlayOf, overlayValues, parseSetFlags, type Values } from '@lateen/mesh/inject';
import { parse } from 'yaml';
import { type ConnectionOptions, connect } from '../objects/connection.ts';
import type { CliSettings } from '../settings.ts';

export type InjectFlags = ConnectionOptions & {
  set: string[];
  meshConfigFile?: string;
  valuesFile?: string;
  injectConfigFile?: string;
  operatorFileName?: string;
  meshConfigMapName: string;
  injectConfigMapName: string;
  revision?: string;
  istioNamespace: string;
};

/** @throws CodedError LAT7311 for a file that cannot be read, LAT2301 for a wrong --set */
export async function injectOptions(flags: InjectFlags, settings: CliSettings): Promise<InjectConfigOptions> {
  const mesh = readConfiguration(flags.meshConfigFile, 'mesh');
  const values = readConfiguration(flags.valuesFile, 'values');
  const injector = readConfiguration(flags.injectConfigFile, 'config');
  const operator = readConfiguration(flags.operatorFileName, 'spec');
  const cluster = mesh && values ? {} : await readCluster(flags, settings);
  const injectConfig = injector ?? cluster.config;
  const base = { values: values ?? cluster.values ?? {}, meshConfig: mesh ?? cluster.mesh ?? {} };
  const overlays = [...operatorSpecs([base.values, operator]).map(installOverlayOf), parseSetFlags(flags.set)];
  return {
    values: overlays.reduce((all, overlay) => overlayValues(all, overlay.values), isOperator(base.values) ? {} : base.values),
    meshConfig: overlays.reduce((all, overlay) => overlayValues(all, overlay.meshConfig), base.meshConfig),
    env: process.env,
    ...(injectConfig ? { injectConfig } : {}),
    ...(flags.revision === undefined ? {} : { revision: flags.revision }),
  };
}

const isOperator = (values: Values): boolean => values['kind'] === 'IstioOperator';

function operatorSpecs(configurations: (Values | undefined)[]): Values[] {
  return configurations.flatMap((one) => (one && isOperator(one) && isObject(one['spec']) ? [one['spec']] : []));
}

/** A file of YAML or JSON, or a ConfigMap that has such text under `key`. */
function readConfiguration(file: string | undefined, key: string): Values | undefined {
  if (file === undefined) return undefined;
  try {
    const values = parseValues(readFileSync(file, 'utf8'));
    if (values['kind'] !== 'ConfigMap') return values;
    const text = isObject(values['data']) ? values['data'][key] : undefined;
    if (typeof text !== 'string') throw new Error(`the ConfigMap has no ${key}`);
    return parseValues(text);
  } catch (error) {
    throw new CodedError({ code: 'LAT7311', what: `cannot read ${file}`, why: messageOf(error), cause: error });
  }
}

function parseValues(text: string): Values {
  const value: unknown = parse(text, { maxAliasCount: 100 }) ?? {};
  if (!isObject(value)) throw new Error('the document is not a mapping');
  return value;
}

type ClusterConfiguration = { mesh?: Values; values?: Values; config?: Values };
const CONFIG_MAPS = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };

/** The cluster's own configuration. No kubeconfig: nothing; a cluster that does not answer: a warning and nothing. */
async function readCluster(flags: InjectFlags, settings: CliSettings): Promise<ClusterConfiguration> {
  let connection: ReturnType<typeof connect>;
  try {
    connection = connect(flags, settings);
  } catch (error) {
    if (flags.kubeconfig !== undefined || flags.context !== undefined) throw error;
    return {};
  }
  const suffix = flags.revision && flags.revision !== 'default' ? `-${flags.revision}` : '';
  const read = (name: string) =>
    connection.client.get<ConfigMap>(CONFIG_MAPS, { namespace: flags.istioNamespace, name: `${name}${suffix}` });
  try {
    const [mesh, injector] = await Promise.all([read(flags.meshConfigMapName), read(flags.injectConfigMapName)]);
    return {
      mesh: parseValues(mesh.data?.['mesh'] ?? ''),
      values: parseValues(injector.data?.['values'] ?? ''),
      config: parseValues(injector.data?.['config'] ?? ''),
    };
  } catch (error) {
    process.stderr.write(`Warning: the configuration of the cluster cannot be read (${messageOf(error)}); Istio's defaults are used\n`);
    return {};
  } finally {
    await connection.close();
  }
}
