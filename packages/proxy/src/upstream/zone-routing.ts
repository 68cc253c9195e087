// Zone-aware routing: requests stay in the proxy's own zone as far as every zone then still gets its fair share. Percents are
// counted in hundredths, as Envoy does.

/** Healthy hosts of one zone: the upstream's and, in the same zone, the proxies' own cluster's. */
export type ZoneCounts = { readonly upstream: number; readonly local: number };

export type ZoneChoice = 'all_directly' | 'sampled' | 'cross_zone' | 'no_capacity_left';

/** `own` is the proxy's own zone as an index, undefined where the upstream has no host in it; `locals` counts all zones of the proxies. */
export type ZoneOptions = { readonly own: number | undefined; readonly locals: number; readonly random: () => number };

/** The zone of the next request, as an index. */
export function createZoneChooser(
  zones: readonly ZoneCounts[],
  { own, locals, random }: ZoneOptions,
): () => { zone: number; how: ZoneChoice } {
  const all = zones.reduce((sum, zone) => sum + zone.upstream, 0);
  const upstream = zones.map((zone) => hundredths(zone.upstream, all));
  const local = zones.map((zone) => hundredths(zone.local, locals));
  const [ownUpstream, ownLocal] = own === undefined ? [0, 0] : [upstream[own] as number, local[own] as number];
  if (own !== undefined && ownUpstream > 0 && ownUpstream >= ownLocal) return () => ({ zone: own, how: 'all_directly' });
  const directly = ownLocal > 0 ? ownUpstream / ownLocal : 0;
  // What the other zones can take beyond their own requests.
  const residual = upstream.map((percent, i) => (i === own ? 0 : Math.max(0, percent - (local[i] as number))));
  const total = residual.reduce((sum, one) => sum + one, 0);
  return () => {
    if (own !== undefined && random() < directly) return { zone: own, how: 'sampled' };
    if (total === 0) return { zone: Math.floor(random() * zones.length), how: 'no_capacity_left' };
    let point = random() * total;
    const zone = residual.findIndex((one) => {
      point -= one;
      return point < 0;
    });
    return { zone: Math.max(0, zone), how: 'cross_zone' };
  };
}

const hundredths = (part: number, total: number): number => (total === 0 ? 0 : Math.floor((part * 10_000) / total));
