// What resources there are, in both shapes: aggregated (one request) and legacy.

import type { ApiReply } from '../http/exchange.ts';
import { json } from '../http/exchange.ts';
import type { Registry } from '../registry/registry.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** Answers /api, /apis and below as far as they are discovery; undefined otherwise. */
export function discovery(registry: Registry, path: string, accept: string | undefined): ApiReply | undefined {
  const [root, first, second, ...rest] = path.split('/').filter((part) => part !== '');
  if (rest.length > 0 || (root !== 'api' && root !== 'apis')) return undefined;
  const groups = groupsOf(registry);
  if (first === undefined) {
    const chosen = groups.filter(({ group }) => (group === '') === (root === 'api'));
    if (accept?.includes('as=APIGroupDiscoveryList')) return json(200, aggregated(chosen), { 'content-type': AGGREGATED });
    return json(200, root === 'api' ? coreVersions() : { kind: 'APIGroupList', apiVersion: 'v1', groups: chosen.map(groupObject) });
  }
  if (root === 'api') return second === undefined ? resourceList(groups, '', first) : undefined;
  if (second !== undefined) return resourceList(groups, first, second);
  const group = groups.find((one) => one.group === first && one.group !== '');
  return group && json(200, { kind: 'APIGroup', apiVersion: 'v1', ...groupObject(group) });
}

type Group = { group: string; versions: Map<string, Resource[]> };

/** Groups in registry order, versions by priority. */
function groupsOf(registry: Registry): Group[] {
  const groups = new Map<string, Group>();
  for (const resource of registry.all()) {
    const group = groups.get(resource.group) ?? { group: resource.group, versions: new Map() };
    groups.set(resource.group, group);
    group.versions.set(resource.version, [...(group.versions.get(resource.version) ?? []), resource]);
  }
  for (const group of groups.values()) group.versions = new Map([...group.versions].sort(([a], [b]) => compareVersions(b, a)));
  return [...groups.values()];
}

/** Kubernetes' version order: v2 > v1 > v1beta2 > v1alpha1 > anything else by name. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [rankOf(a), rankOf(b)];
  if (!left || !right) return left ? 1 : right ? -1 : a < b ? 1 : -1;
  return left.stage - right.stage || left.major - right.major || left.minor - right.minor;
}

function rankOf(version: string): { major: number; stage: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return undefined;
  return { major: Number(match[1]), stage: match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0, minor: Number(match[3] ?? 0) };
}

const coreVersions = () => ({ kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] });

const versionOf = (group: string, version: string) => ({ groupVersion: group === '' ? version : `${group}/${version}`, version });

function groupObject({ group, versions }: Group) {
  const all = [...versions.keys()].map((version) => versionOf(group, version));
  return { name: group, versions: all, preferredVersion: all[0] };
}

function resourceList(groups: Group[], groupName: string, version: string): ApiReply | undefined {
  const resources = groups.find(({ group }) => group === groupName)?.versions.get(version);
  if (!resources) return undefined;
  return json(200, {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: versionOf(groupName, version).groupVersion,
    resources: resources.flatMap((resource) => [
      {
        name: resource.plural,
        singularName: resource.singular,
        namespaced: resource.namespaced,
        kind: resource.kind,
        verbs: resource.verbs,
        ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
        ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
      },
      ...[...resource.subresources].map(([name, { kind, group, version: other, verbs }]) => ({
        name: `${resource.plural}/${name}`,
        singularName: '',
        namespaced: resource.namespaced,
        ...(group === undefined ? {} : { group, version: other }),
        kind,
        verbs,
      })),
    ]),
  });
}

function aggregated(groups: Group[]) {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
      versions: [...versions].map(([version, resources]) => ({
        version,
        freshness: 'Current',
        resources: resources.map(aggregatedResource),
      })),
    })),
  };
}

function aggregatedResource(resource: Resource) {
  const { group, version } = resource;
  return {
    resource: resource.plural,
    responseKind: { group, version, kind: resource.kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
    ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
    ...(resource.subresources.size === 0
      ? {}
      : {
          subresources: [...resource.subresources].map(([name, one]) => ({
            subresource: name,
            responseKind: { group: one.group ?? group, version: one.version ?? version, kind: one.kind },
            verbs: one.verbs,
          })),
        }),
  };
}

/** "api/v1" or "apis/GROUP/VERSION", as OpenAPI v3 names its documents. */
export const documentName = (resource: Resource): string =>
  resource.group === '' ? `api/${resource.version}` : `apis/${apiVersionOf(resource)}`;
