import type { Container, PodSpec } from '@lateen/kube/types';
import type { ConfigurationSource } from '../configuration-source.ts';
import type { PodFacts } from '../downward-api.ts';

/** A pod with something in every field that the downward API reads. */
export function podFacts(spec: Partial<PodSpec> = {}): PodFacts {
  return {
    pod: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'web-1',
        namespace: 'shop',
        uid: 'uid-1',
        labels: { app: 'web', tier: 'front "end"' },
        annotations: { note: 'hi' },
      },
      spec: { containers: [], serviceAccountName: 'web-sa', ...spec },
    },
    podIP: '10.244.0.9',
    hostIP: '192.0.2.1',
    nodeName: 'lateen',
    allocatable: { cpu: 2, memory: 4 * 2 ** 30 },
  };
}

export const container = (extra: Partial<Container> = {}): Container => ({ name: 'app', image: 'web', ...extra });

/** ConfigMap "words" {hello, "odd.key"}, Secret "keys" {pin}. */
export const configuration: ConfigurationSource = {
  configMap: async (_namespace, name) =>
    name === 'words'
      ? { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { hello: 'ahoy' }, binaryData: { blob: 'AAE=' } }
      : undefined,
  secret: async (_namespace, name) =>
    name === 'keys'
      ? { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data: { pin: Buffer.from('1234').toString('base64') } }
      : undefined,
};
