// What a translation may depend on besides the snapshot. Proxies with equal scopes get the same resources: the scope is
// the cache key.

import { stableStringify } from '@lateen/base';
import type { Locality } from '../model/index.ts';

export type ProxyScope = {
  type: 'sidecar' | 'router';
  namespace: string;
  labels: Readonly<Record<string, string>>;
  locality: Locality;
  /** Whether the proxy knows Istio's own filters (istio.stats, peer metadata). A stock Envoy does not. */
  hasIstioFilters: boolean;
};

export function scopeKey(scope: ProxyScope): string {
  return stableStringify(scope);
}
