// The objects of a cluster that analysis looks at.

import type { KubeObject } from '@lateen/kube/types';
import { type ConnectionOptions, connect } from '../objects/connection.ts';
import { discoverResources, type KnownResource } from '../objects/discovery.ts';
import type { CliSettings } from '../settings.ts';

const KINDS = new Set([
  'Namespace',
  'Service',
  'Pod',
  'Secret',
  'ConfigMap',
  'Node',
  'Deployment',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'CustomResourceDefinition',
]);
const GROUPS = new Set(['', 'apps', 'admissionregistration.k8s.io', 'apiextensions.k8s.io']);

const isWanted = ({ group, kind }: KnownResource): boolean =>
  group.endsWith('istio.io') || group === 'gateway.networking.k8s.io' || (GROUPS.has(group) && KINDS.has(kind));

/** Everything analysis reads, and the namespace of the connection. @throws when the cluster cannot be reached */
export async function clusterObjects(
  options: ConnectionOptions,
  settings: CliSettings,
): Promise<{ objects: KubeObject[]; namespace: string }> {
  const connection = connect(options, settings);
  try {
    const resources = (await discoverResources(connection.client)).filter(isWanted);
    // Discovery lists preferred versions first.
    const unique = [...Map.groupBy(resources, ({ group, resource }) => `${group}/${resource}`).values()].flatMap(([first]) => first ?? []);
    const lists = await Promise.all(unique.map((resource) => connection.client.listAll(resource)));
    return { objects: lists.flatMap(({ items }) => items), namespace: connection.namespace };
  } finally {
    await connection.close();
  }
}
