// A container's environment: service links, envFrom, env, in the kubelet's order of precedence. Nothing of this process's own
// environment is passed on.

import type { Container, EnvVar, Service } from '@lateen/kube/types';
import { type ConfigurationSource, configurationError, readConfiguration } from './configuration-source.ts';
import { fieldValue, type PodFacts, resourceValue } from './downward-api.ts';
import { expandReferences } from './expand.ts';

export type EnvironmentInput = {
  container: Container;
  facts: PodFacts;
  source: ConfigurationSource;
  /** From the image. */
  imageEnv: Record<string, string>;
  /** From the network mode; wins over everything, or the pod would not be reachable. */
  networkEnv: Record<string, string>;
  /** Services of the pod's namespace. */
  services: readonly Service[];
  apiServer: { host: string; port: number };
};

/** @throws CodedError LAT3110 when a reference cannot be resolved. */
export async function buildEnvironment(input: EnvironmentInput): Promise<Map<string, string>> {
  const { container, facts } = input;
  const env = new Map<string, string>([
    ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ['HOME', '/root'],
    ['HOSTNAME', facts.pod.spec.hostname ?? facts.pod.metadata.name],
    ...Object.entries(input.imageEnv),
    ...serviceLinks(facts.pod.spec.enableServiceLinks === false ? [] : input.services),
    ['KUBERNETES_SERVICE_HOST', input.apiServer.host],
    ['KUBERNETES_SERVICE_PORT', String(input.apiServer.port)],
    ['KUBERNETES_SERVICE_PORT_HTTPS', String(input.apiServer.port)],
  ]);
  await addEnvFrom(env, input);
  for (const variable of container.env ?? []) {
    const value = await variableValue(variable, env, input);
    if (value !== undefined) env.set(variable.name, value);
  }
  for (const [name, value] of Object.entries(input.networkEnv)) env.set(name, value);
  return env;
}

async function addEnvFrom(env: Map<string, string>, { container, facts, source }: EnvironmentInput): Promise<void> {
  const namespace = facts.pod.metadata.namespace ?? '';
  for (const from of container.envFrom ?? []) {
    const ref = from.configMapRef ?? from.secretRef;
    if (!ref) continue;
    const kind = from.configMapRef ? 'configmap' : 'secret';
    const values = await readConfiguration(source, { kind, namespace, name: ref.name ?? '', optional: ref.optional ?? false });
    for (const [key, value] of values ?? []) env.set(`${from.prefix ?? ''}${key}`, value.toString('utf8'));
  }
}

async function variableValue(variable: EnvVar, env: ReadonlyMap<string, string>, input: EnvironmentInput): Promise<string | undefined> {
  const { valueFrom } = variable;
  if (!valueFrom) return expandReferences(variable.value ?? '', env);
  if (valueFrom.fieldRef) {
    const value = fieldValue(valueFrom.fieldRef, input.facts);
    if (value === undefined) throw configurationError(`unsupported fieldPath: ${valueFrom.fieldRef.fieldPath}`);
    return value;
  }
  if (valueFrom.resourceFieldRef) {
    const value = resourceValue(valueFrom.resourceFieldRef, input.container, input.facts);
    if (value === undefined) throw configurationError(`unsupported resource: ${valueFrom.resourceFieldRef.resource}`);
    return value;
  }
  const ref = valueFrom.configMapKeyRef ?? valueFrom.secretKeyRef;
  if (!ref) return undefined;
  const kind = valueFrom.configMapKeyRef ? 'configmap' : 'secret';
  const namespace = input.facts.pod.metadata.namespace ?? '';
  const optional = ref.optional ?? false;
  const values = await readConfiguration(input.source, { kind, namespace, name: ref.name ?? '', optional });
  const value = values?.get(ref.key);
  if (value === undefined && !optional) {
    throw configurationError(`couldn't find key ${ref.key} in ${kind === 'configmap' ? 'ConfigMap' : 'Secret'} ${namespace}/${ref.name}`);
  }
  return value?.toString('utf8');
}

/** The variables that Docker links once made: REVIEWS_SERVICE_HOST, REVIEWS_PORT_9080_TCP, … */
function* serviceLinks(services: readonly Service[]): Generator<[string, string]> {
  for (const { metadata, spec } of services) {
    const host = spec.clusterIP;
    const first = spec.ports?.[0];
    if (!host || host === 'None' || !first) continue;
    const prefix = metadata.name.toUpperCase().replaceAll('-', '_');
    yield [`${prefix}_SERVICE_HOST`, host];
    yield [`${prefix}_SERVICE_PORT`, String(first.port)];
    yield [`${prefix}_PORT`, `${(first.protocol ?? 'TCP').toLowerCase()}://${host}:${first.port}`];
    for (const port of spec.ports ?? []) {
      const protocol = port.protocol ?? 'TCP';
      const scoped = `${prefix}_PORT_${port.port}_${protocol}`;
      if (port.name) yield [`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port)];
      yield [scoped, `${protocol.toLowerCase()}://${host}:${port.port}`];
      yield [`${scoped}_PROTO`, protocol.toLowerCase()];
      yield [`${scoped}_PORT`, String(port.port)];
      yield [`${scoped}_ADDR`, host];
    }
  }
}
