// From what people call a kind (po, pods, Pod, virtualservices.networking.istio.io) to its resource, by aggregated discovery.

import { CodedError } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { GroupVersionKind, ResourceRef } from '@lateen/kube/types';

export type KnownResource = ResourceRef & { kind: string; singular: string; shortNames: string[] };

type DiscoveryDocument = {
  items: {
    metadata?: { name?: string };
    versions: {
      version: string;
      resources: {
        resource: string;
        scope: string;
        singularResource?: string;
        shortNames?: string[];
        responseKind?: { kind: string };
      }[];
    }[];
  }[];
};

const AGGREGATED = { accept: 'application/json;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2' };

/** Everything the server has, core group and preferred versions first. */
export async function discoverResources(client: KubeClient): Promise<KnownResource[]> {
  const documents = await Promise.all(
    ['/api', '/apis'].map((path) => client.requestJson<DiscoveryDocument>({ method: 'GET', path, headers: AGGREGATED })),
  );
  return documents.flatMap(({ items }) =>
    items.flatMap((group) =>
      group.versions.flatMap(({ version, resources }) =>
        resources.map((one) => ({
          group: group.metadata?.name ?? '',
          version,
          resource: one.resource,
          namespaced: one.scope === 'Namespaced',
          kind: one.responseKind?.kind ?? '',
          singular: one.singularResource ?? '',
          shortNames: one.shortNames ?? [],
        })),
      ),
    ),
  );
}

/** The resource of a name as typed. @throws CodedError LAT7301 with the nearest names. */
export function findResource(resources: KnownResource[], typed: string): KnownResource {
  const [name = '', ...rest] = typed.toLowerCase().split('.');
  const suffix = rest.join('.');
  const found = resources.find((one) => {
    const isNamed = [one.resource, one.singular, one.kind.toLowerCase(), ...one.shortNames].includes(name);
    return isNamed && (suffix === '' || suffix === one.group || suffix === `${one.version}.${one.group}`);
  });
  if (found) return found;
  throw new CodedError({
    code: 'LAT7301',
    what: `the server has no resource type ${JSON.stringify(typed)}`,
    fix: `known ones begin so: ${resources
      .slice(0, 12)
      .map(({ resource }) => resource)
      .join(', ')}, …`,
  });
}

/** The resource that stores a kind. @throws CodedError LAT7302 */
export function resourceOfKind(resources: KnownResource[], wanted: GroupVersionKind): KnownResource {
  const found = resources.find((one) => one.kind === wanted.kind && one.group === wanted.group && one.version === wanted.version);
  if (found) return found;
  const apiVersion = wanted.group === '' ? wanted.version : `${wanted.group}/${wanted.version}`;
  throw new CodedError({
    code: 'LAT7302',
    what: `the server has no kind ${wanted.kind} in ${apiVersion}`,
    fix: 'check the spelling of apiVersion and kind, or install the custom resource definition first',
  });
}
