// The three destination_service labels: from the cluster's Istio metadata, else from the Host header; unmatched egress has the
// names that dashboards know.

import { isObject } from '@lateen/base';
import type { RequestRecord } from '../http/request-record.ts';
import { UNKNOWN } from './workload.ts';

export type DestinationService = { host: string; name: string; namespace: string };

const CATCH_ALL = new Set([
  'PassthroughCluster',
  'BlackHoleCluster',
  'InboundPassthroughCluster',
  'InboundPassthroughClusterIpv4',
  'InboundPassthroughClusterIpv6',
]);

/** Whether the labels depend on the Host header, so that foreign names can multiply series. */
export type ResolvedService = DestinationService & { fromHostHeader: boolean };

export function destinationServiceOf(record: RequestRecord, useHostHeader: boolean): ResolvedService {
  const host = useHostHeader ? record.authority : '';
  const cluster = record.upstreamCluster;
  const catchAll = CATCH_ALL.has(cluster)
    ? cluster
    : record.routeName === 'block_all'
      ? 'BlackHoleCluster'
      : record.routeName === 'allow_any'
        ? 'PassthroughCluster'
        : '';
  if (catchAll !== '') return { host: host || UNKNOWN, name: catchAll, namespace: UNKNOWN, fromHostHeader: host !== '' };
  const service = istioServiceOf(record);
  if (service) return { ...service, fromHostHeader: false };
  return { host: host || UNKNOWN, name: host || UNKNOWN, namespace: UNKNOWN, fromHostHeader: host !== '' };
}

function istioServiceOf({ cluster }: RequestRecord): DestinationService | undefined {
  const services = cluster?.metadata.get('istio')?.services;
  const first = Array.isArray(services) ? services[0] : undefined;
  if (!isObject(first)) return undefined;
  const text = (value: unknown): string => (typeof value === 'string' && value !== '' ? value : UNKNOWN);
  return { host: text(first.host), name: text(first.name), namespace: text(first.namespace) };
}
