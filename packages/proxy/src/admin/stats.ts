// `/stats` and the Prometheus form of the same.

import { compileRegex, escapeLabelValue } from '@lateen/base';
import type { Stat } from '../observe/stats.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

export function renderPrometheus(stats: readonly Stat[]): string {
  const families = new Map<string, Stat[]>();
  for (const stat of stats) {
    const known = families.get(stat.family);
    if (known) known.push(stat);
    else families.set(stat.family, [stat]);
  }
  let text = '';
  for (const [family, members] of [...families].sort(([a], [b]) => (a < b ? -1 : 1))) {
    text += `# TYPE ${family} ${members[0]?.type}\n`;
    for (const { labels, value } of members) {
      const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabelValue(label)}"`);
      text += `${family}{${pairs.join(',')}} ${value}\n`;
    }
  }
  return text;
}

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const TYPES: Readonly<Record<string, (stat: Stat) => boolean>> = {
  All: () => true,
  Counters: ({ type }) => type === 'counter',
  Gauges: ({ type }) => type === 'gauge',
  Histograms: () => false,
  TextReadouts: () => false,
};

const byName = (a: Stat, b: Stat): number => (a.name < b.name ? -1 : 1);

/** `/stats` with filter, invert_filter, usedonly, type, format=text|json|prometheus. `exposition` is the whole Prometheus text. */
export function replyStats({ query }: Pick<EndpointRequest, 'query'>, stats: readonly Stat[], exposition: () => string): EndpointReply {
  const filter = query.get('filter');
  const regex = filter ? compileRegex(filter) : undefined;
  if (regex && !regex.ok) return { status: 400, body: `Invalid re2 regex: ${regex.error}\n` };
  const type = query.get('type') ?? 'All';
  if (!Object.hasOwn(TYPES, type)) return { status: 400, body: 'invalid &type= param\n' };
  const isOfType = TYPES[type] as (stat: Stat) => boolean;
  const inverts = query.has('invert_filter');
  const chosen = stats.filter(
    (stat) =>
      (!regex || regex.value.matchesPartly(stat.name) !== inverts) && (!query.has('usedonly') || stat.value !== 0) && isOfType(stat),
  );
  switch (query.get('format') ?? 'text') {
    case 'prometheus': {
      const isWhole = !regex && !query.has('usedonly');
      return { status: 200, body: isWhole ? exposition() : renderPrometheus(chosen), contentType: PROMETHEUS_TYPE };
    }
    case 'json': {
      const list = chosen.sort(byName).map(({ name, value }) => ({ name, value }));
      return { status: 200, contentType: 'application/json', body: JSON.stringify({ stats: list }) };
    }
    case 'text':
      return {
        status: 200,
        body: chosen
          .sort(byName)
          .map(({ name, value }) => `${name}: ${value}\n`)
          .join(''),
      };
    default:
      return { status: 400, body: 'usage: /stats?format=(json|prometheus|text)\n' };
  }
}
