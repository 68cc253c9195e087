// ADS into the live configuration: subscriptions follow from what clusters and listeners name.

import type { Clock, Logger, Result } from '@lateen/base';
import { type AdsClient, type AdsClientOptions, createAdsClient } from '@lateen/xds/client';
import type { DynamicSources } from './bootstrap.ts';
import { type LiveConfig, resourceNameOf, SECRET_TYPE_URL, TYPE_URLS } from './live-config.ts';

export type AdsOptions = Pick<AdsClientOptions, 'address' | 'credentials' | 'protocol' | 'node' | 'random'> & {
  config: Pick<LiveConfig, 'update' | 'wanted'>;
  /** Whether clusters and listeners come from here. */
  sources: DynamicSources;
  /** How it went to put the configuration into force: listeners may find their ports taken. */
  applied: () => Promise<Result<void, readonly string[]>>;
  clock: Clock;
  logger: Logger;
};

export type Ads = AdsClient & {
  /** To be called after every update of clusters or listeners, from wherever. */
  follow(): void;
};

/** Starts the stream; `close()` ends it. */
export function startAds({ config, sources, applied, ...options }: AdsOptions): Ads {
  const client = createAdsClient({
    ...options,
    // The order in which dependants come after what they depend on.
    types: [
      { typeUrl: TYPE_URLS.cluster, isFullState: true, nameOf: resourceNameOf },
      { typeUrl: TYPE_URLS.endpoints, isFullState: false, nameOf: resourceNameOf },
      { typeUrl: TYPE_URLS.listener, isFullState: true, nameOf: resourceNameOf },
      { typeUrl: TYPE_URLS.route, isFullState: false, nameOf: resourceNameOf },
      { typeUrl: SECRET_TYPE_URL, isFullState: false, nameOf: resourceNameOf },
    ],
    async onUpdate(update) {
      const verdict = config.update(update);
      return verdict.ok && update.typeUrl === TYPE_URLS.listener ? applied() : verdict;
    },
  });
  const follow = () => {
    client.subscribe(TYPE_URLS.endpoints, config.wanted('endpoints'));
    client.subscribe(TYPE_URLS.route, config.wanted('route'));
    client.subscribe(SECRET_TYPE_URL, config.wanted('secret'));
  };
  if (sources.cluster?.kind === 'ads') client.subscribe(TYPE_URLS.cluster, '*');
  if (sources.listener?.kind === 'ads') client.subscribe(TYPE_URLS.listener, '*');
  // Static resources may name dynamic ones.
  follow();
  return Object.assign(client, { follow });
}
