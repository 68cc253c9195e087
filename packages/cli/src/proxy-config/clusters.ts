// `proxy-config cluster`.

import { compareClusterNames, parseClusterName } from './cluster-name.ts';
import { type ConfigDump, type DumpObject, text } from './dump.ts';
import { managedBy } from './management.ts';

export type ClusterFilter = { fqdn?: string; port?: number; subset?: string; direction?: string };

export const CLUSTER_HEADER = ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'];

/** Clusters that pass the filter, in table order. */
export function selectClusters(dump: ConfigDump, filter: ClusterFilter): DumpObject[] {
  return dump.clusters
    .filter((cluster) => {
      const name = text(cluster, 'name');
      const parts = parseClusterName(name);
      if (filter.fqdn !== undefined && !parts.fqdn.includes(filter.fqdn)) return false;
      if (filter.port !== undefined && parts.port !== filter.port) return false;
      if (filter.subset !== undefined && !parts.subset.includes(filter.subset)) return false;
      return filter.direction === undefined || parts.direction === filter.direction;
    })
    .sort((a, b) => compareClusterNames(text(a, 'name'), text(b, 'name')));
}

export function clusterRows(clusters: DumpObject[]): string[][] {
  return clusters.map((cluster) => {
    const name = text(cluster, 'name');
    const type = text(cluster, 'type') || text(cluster, 'cluster_type', 'name') || 'STATIC';
    if (name.split('|').length < 4) return [name, '-', '-', '-', type, managedBy(cluster)];
    const { fqdn, port, subset, direction } = parseClusterName(name);
    return [fqdn, String(port), subset || '-', direction, type, managedBy(cluster)];
  });
}
