// All dynamic configuration of a process: ADS, streams for one type, files. Every update takes the same way: compiled and put into
// force here, handed to the other threads, counted; then whoever is asked for what it names.

import { type Clock, CodedError, type Logger, type Result, type SocketAddress } from '@lateen/base';
import type { AdsClientOptions, ResourceUpdate } from '@lateen/xds/client';
import { type Ads, startAds } from './ads.ts';
import { type BootstrapSettings, isPlaintext } from './bootstrap.ts';
import { type ConfigSources, createConfigSources, problemOfSource, type XdsTarget } from './config-sources.ts';
import { type LiveConfig, TYPE_URLS } from './live-config.ts';
import type { SourceCounters, SourceCounts } from './source-counts.ts';

export type DynamicConfigOptions = {
  bootstrap: BootstrapSettings;
  config: LiveConfig;
  /** Called with each update that is in force here. */
  onAccepted(update: ResourceUpdate): void;
  /** How it went to put the configuration into force: listeners may find their ports taken. */
  applied(): Promise<Result<void, readonly string[]>>;
  counters: SourceCounters;
  /** Where this process must dial the ADS address. Default: as written in the bootstrap. */
  resolveAddress?: ((address: SocketAddress) => SocketAddress) | undefined;
  adsCredentials?: NonNullable<AdsClientOptions['credentials']> | undefined;
  clock: Clock;
  random: () => number;
  logger: Logger;
};

export type DynamicConfig = {
  readonly isAdsConnected: boolean;
  /** What became of the updates of clusters or listeners. */
  counts(kind: 'cluster' | 'listener'): Readonly<SourceCounts>;
  close(): void;
};

/** Files are in force when it returns; the caller closes it. */
export function startDynamicConfig(options: DynamicConfigOptions): DynamicConfig {
  const { bootstrap, config, applied, counters, clock, random, logger } = options;
  const node = bootstrap.node ?? { id: '' };
  let ads: Ads | undefined;
  let sources: ConfigSources | undefined;
  const update: LiveConfig['update'] = (received) => {
    const settle = beforeUpdate(received, { config, counters });
    const verdict = config.update(received);
    settle(verdict.ok);
    if (!verdict.ok) return verdict;
    options.onAccepted(received);
    if (received.typeUrl === TYPE_URLS.cluster || received.typeUrl === TYPE_URLS.listener) {
      sources?.follow();
      ads?.follow();
    }
    return verdict;
  };
  sources = createConfigSources({
    config,
    sources: bootstrap.sources,
    update,
    applied,
    counters,
    targetOf: (clusterName) => targetOf(clusterName, options),
    node,
    clock,
    random,
    logger: logger.child('xds'),
  });
  sources.follow();
  if (bootstrap.ads) {
    ads = startAds({
      address: hostAndPort(options.resolveAddress?.(bootstrap.ads.address) ?? bootstrap.ads.address),
      protocol: bootstrap.ads.protocol,
      node,
      config: { update, wanted: config.wanted },
      sources: bootstrap.sources,
      applied,
      clock,
      random,
      logger: logger.child('ads'),
      ...(options.adsCredentials && { credentials: options.adsCredentials }),
    });
  }
  return {
    get isAdsConnected() {
      return ads?.isConnected ?? false;
    },
    counts(kind) {
      const counts = counters.of(kind, '');
      const status = bootstrap.sources[kind]?.kind === 'ads' ? ads?.status().find(({ typeUrl }) => typeUrl === TYPE_URLS[kind]) : undefined;
      if (!status) return counts;
      const { acceptedCount: accepted, rejectedCount: rejected } = status;
      return { ...counts, update_attempt: accepted + rejected, update_success: accepted, update_rejected: rejected };
    },
    close() {
      sources?.close();
      ads?.close();
    },
  };
}

/** Counts what only this place sees: what changed, and endpoints and routes one by one. Files and streams of one type count themselves. */
function beforeUpdate(
  { typeUrl, changed }: ResourceUpdate,
  { config, counters }: Pick<DynamicConfigOptions, 'config' | 'counters'>,
): (isAccepted: boolean) => void {
  if (typeUrl === TYPE_URLS.cluster) {
    const before = new Set(config.entries('cluster').map(({ entry }) => entry));
    return (isAccepted) => {
      if (!isAccepted) return;
      const after = config.entries('cluster');
      if (after.length !== before.size || after.some(({ entry }) => !before.has(entry))) counters.countReload('cluster', '');
    };
  }
  const kind = typeUrl === TYPE_URLS.route ? 'route' : typeUrl === TYPE_URLS.endpoints ? 'endpoints' : undefined;
  if (!kind) return () => {};
  const tables = config.runtime.routes;
  return (isAccepted) => {
    for (const key of changed.keys()) {
      const source = config.references(kind).get(key)?.source;
      if (source?.kind === 'ads') counters.count(kind, key, isAccepted ? 'success' : 'rejected');
      if (kind === 'route' && config.runtime.routes.get(key) !== tables.get(key)) counters.countReload(kind, key);
    }
  };
}

/** @throws CodedError LAT4003 when clusters or listeners are to come from where nothing can come from. */
export function checkSources(options: Pick<DynamicConfigOptions, 'bootstrap' | 'resolveAddress' | 'adsCredentials'>): void {
  const reasons = (['cluster', 'listener'] as const).flatMap((kind) => {
    const source = options.bootstrap.sources[kind];
    const problem = source && problemOfSource(source, (clusterName) => targetOf(clusterName, options));
    return problem === undefined ? [] : [`bootstrap: dynamic_resources.${kind === 'cluster' ? 'cds_config' : 'lds_config'}: ${problem}`];
  });
  if (reasons.length === 0) return;
  throw new CodedError({ code: 'LAT4003', what: 'the dynamic configuration has sources that do not exist', why: reasons.join('\n') });
}

/** A static cluster as the server of a stream; undefined when it is none, or one that asks for TLS. */
export function targetOf(
  clusterName: string,
  { bootstrap, resolveAddress, adsCredentials }: Pick<DynamicConfigOptions, 'bootstrap' | 'resolveAddress' | 'adsCredentials'>,
): XdsTarget | undefined {
  const { ads } = bootstrap;
  if (ads?.clusterName === clusterName && adsCredentials) {
    return { address: hostAndPort(resolveAddress?.(ads.address) ?? ads.address), credentials: adsCredentials };
  }
  const address = plaintextAddressOf(bootstrap.clusters, clusterName);
  return address === undefined ? undefined : { address };
}

const hostAndPort = ({ host, port }: SocketAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** The first endpoint of a static cluster as gRPC names it; undefined when there is none, or it asks for TLS. */
export function plaintextAddressOf(clusters: BootstrapSettings['clusters'], clusterName: string): string | undefined {
  const cluster = clusters.find(({ name }) => name === clusterName);
  if (!cluster || !isPlaintext(cluster)) return undefined;
  const endpoint = cluster.loadAssignment?.endpoints[0]?.lbEndpoints[0]?.hostIdentifier;
  const address = endpoint?.case === 'endpoint' ? endpoint.value.address?.address : undefined;
  if (address?.case === 'pipe') return `unix:${address.value.path}`;
  if (address?.case !== 'socketAddress' || address.value.portSpecifier.case !== 'portValue') return undefined;
  return hostAndPort({ host: address.value.address, port: address.value.portSpecifier.value });
}
