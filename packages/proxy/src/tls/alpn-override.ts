// Istio's ALPN filter: which protocols a proxy offers upstream depends on the version of HTTP that it will speak there ("istio-h2",
// "istio", "h2"), so that the peer's proxy sees what comes before it decrypts a byte.

import type { ClusterRuntime, HcmRuntime } from '../runtime/model.ts';

/** By upstream protocol: "http/1.0", "http/1.1", "h2". */
export type AlpnOverrides = ReadonlyMap<string, readonly string[]>;

const known = new WeakMap<HcmRuntime, { overrides: AlpnOverrides | undefined }>();

/** Of a connection manager; undefined when it has no such filter. */
export function alpnOverridesOf(hcm: HcmRuntime): AlpnOverrides | undefined {
  let entry = known.get(hcm);
  if (!entry) {
    const filter = hcm.filters.find((one) => one.kind === 'alpn' && !one.disabled);
    entry = { overrides: filter?.kind === 'alpn' ? filter.overrides : undefined };
    known.set(hcm, entry);
  }
  return entry.overrides;
}

/** What to offer a cluster; undefined: what its transport socket says. Clusters can opt out by metadata. */
export function alpnFor(
  overrides: AlpnOverrides | undefined,
  version: 'HTTP/1.1' | 'HTTP/2',
  cluster: ClusterRuntime,
): readonly string[] | undefined {
  const offered = overrides?.get(version === 'HTTP/2' ? 'h2' : 'http/1.1');
  if (!offered || cluster.metadata.get('istio')?.['alpn_override'] === 'false') return undefined;
  return offered;
}
