// Zone-aware routing: requests stay in the proxy's own zone as far as every zone then still gets its fair share. Percents are
// counted in hundredths, as Envoy does.

/** Healthy hosts of one zone: the upstream's and, in the same zone, the proxies' own cluster's. */
export type ZoneCounts = { readonly upstream: number; readonly local: number };

export type ZoneChoice = 'all_directly' | 'sampled' | 'cross_zone' | 'no_capacity_left';

/** The zone of the next request; zone 0 is the proxy's own. undefined: nothing is known of the proxies in the zones. */
export function createZoneChooser(
  zones: readonly ZoneCounts[],
  random: () => number,
): (() => { zone: number; how: ZoneChoice }) | undefined {
  const upstream = percents(zones.map((zone) => zone.upstream));
  const local = percents(zones.map((zone) => zone.local));
  const [ownUpstream = 0] = upstream;
  const [ownLocal = 0] = local;
  if (ownLocal === 0) return undefined;
  if (ownUpstream >= ownLocal) return () => ({ zone: 0, how: 'all_directly' });
  const directly = ownUpstream / ownLocal;
  // What the other zones can take beyond their own requests.
  const residual = upstream.map((percent, i) => (i === 0 ? 0 : Math.max(0, percent - (local[i] as number))));
  const total = residual.reduce((sum, one) => sum + one, 0);
  return () => {
    if (random() < directly) return { zone: 0, how: 'sampled' };
    if (total === 0) return { zone: Math.floor(random() * zones.length), how: 'no_capacity_left' };
    let point = random() * total;
    const zone = residual.findIndex((one) => {
      point -= one;
      return point < 0;
    });
    return { zone: Math.max(1, zone), how: 'cross_zone' };
  };
}

function percents(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (total === 0 ? 0 : Math.floor((count * 10_000) / total)));
}
