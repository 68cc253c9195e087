import { CodedError } from '@lateen/base';
import type { ConfigMap, Secret } from '@lateen/kube/types';

/** Where a pod's configuration comes from; undefined means that there is no such object. */
export type ConfigurationSource = {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
};

/** A reference that cannot be resolved now; the container waits with reason CreateContainerConfigError and is tried again. */
export function configurationError(what: string): CodedError {
  return new CodedError({ code: 'LAT3110', what });
}

export type ConfigurationRef = { kind: 'configmap' | 'secret'; namespace: string; name: string; optional: boolean };

/** All keys of a ConfigMap or Secret as bytes; undefined when it is missing and optional. */
export async function readConfiguration(source: ConfigurationSource, ref: ConfigurationRef): Promise<Map<string, Buffer> | undefined> {
  const { kind, namespace, name } = ref;
  const object = await (kind === 'configmap' ? source.configMap(namespace, name) : source.secret(namespace, name));
  if (!object) {
    if (ref.optional) return undefined;
    throw configurationError(`${kind} ${JSON.stringify(name)} not found`);
  }
  const values = new Map<string, Buffer>();
  const isSecret = kind === 'secret';
  for (const [key, value] of Object.entries(object.data ?? {})) values.set(key, Buffer.from(value, isSecret ? 'base64' : 'utf8'));
  if (!isSecret) {
    for (const [key, value] of Object.entries((object as ConfigMap).binaryData ?? {})) values.set(key, Buffer.from(value, 'base64'));
  }
  return values;
}
