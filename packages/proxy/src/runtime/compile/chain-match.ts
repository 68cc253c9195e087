// Filter chain matching. Envoy narrows in a fixed order and never goes back: a chain that names the destination port excludes
// those that do not, whatever else they would match.

import { type Cidr, cidrContains, parseIp } from '@lateen/base';
import {
  type FilterChainMatch,
  FilterChainMatchSchema,
  FilterChainMatch_ConnectionSourceType as SourceType,
} from '@lateen/xds/messages/proxy';
import type { ConnectionView, FilterChainMatchRuntime, FilterChainRuntime } from '../model.ts';
import { honours, type Report } from './report.ts';
import { cidrOf } from './values.ts';

const check = honours(FilterChainMatchSchema, [
  'destinationPort',
  'prefixRanges',
  'sourceType',
  'sourcePrefixRanges',
  'sourcePorts',
  'serverNames',
  'transportProtocol',
  'applicationProtocols',
  'directSourcePrefixRanges',
]);

export type CompiledChainMatch = FilterChainMatchRuntime & {
  readonly destinationCidrs: readonly Cidr[];
  readonly sourceCidrs: readonly Cidr[];
  readonly directSourceCidrs: readonly Cidr[];
};

const SOURCE_TYPES: Partial<Record<number, FilterChainMatchRuntime['sourceType']>> = {
  [SourceType.SAME_IP_OR_LOOPBACK]: 'same_ip_or_loopback',
  [SourceType.EXTERNAL]: 'external',
};

export function compileChainMatch(match: FilterChainMatch | undefined, report: Report): CompiledChainMatch {
  if (match) check(match, report);
  const cidrs = (
    field: 'prefix_ranges' | 'source_prefix_ranges' | 'direct_source_prefix_ranges',
    ranges: FilterChainMatch['prefixRanges'] = [],
  ) => ranges.flatMap((range, i) => cidrOf(range, report.at(field, i)) ?? []);
  const texts = (ranges: FilterChainMatch['prefixRanges'] = []) => ranges.map((range) => `${range.addressPrefix}/${range.prefixLen ?? 0}`);
  for (const [i, name] of (match?.serverNames ?? []).entries()) {
    if (name.includes('*') && (!name.startsWith('*.') || name.slice(1).includes('*')))
      report.at('server_names', i).refuse(`${JSON.stringify(name)}: a wildcard may only be the whole first label`);
  }
  return {
    destinationPort: match?.destinationPort,
    prefixRanges: texts(match?.prefixRanges),
    destinationCidrs: cidrs('prefix_ranges', match?.prefixRanges),
    serverNames: (match?.serverNames ?? []).map((name) => name.toLowerCase()),
    transportProtocol: match?.transportProtocol ?? '',
    applicationProtocols: match?.applicationProtocols ?? [],
    sourceType: SOURCE_TYPES[match?.sourceType ?? 0] ?? 'any',
    sourcePrefixRanges: texts(match?.sourcePrefixRanges),
    sourceCidrs: cidrs('source_prefix_ranges', match?.sourcePrefixRanges),
    directSourceCidrs: cidrs('direct_source_prefix_ranges', match?.directSourcePrefixRanges),
    sourcePorts: match?.sourcePorts ?? [],
  };
}

export type MatchableChain = { readonly match: CompiledChainMatch; readonly chain: FilterChainRuntime };

/** How well a chain fits at one stage: 0 = it does not ask, more = more specific, -1 = it asks for something else. */
type Fit = (match: CompiledChainMatch, connection: ConnectionView) => number;

const STAGES: readonly Fit[] = [
  (match, { destination }) => (match.destinationPort === undefined ? 0 : match.destinationPort === destination.port ? 1 : -1),
  (match, { destination }) => longestPrefix(match.destinationCidrs, destination.host),
  (match, { serverName }) => serverNameFit(match.serverNames, serverName),
  (match, { transportProtocol }) => (match.transportProtocol === '' ? 0 : match.transportProtocol === transportProtocol ? 1 : -1),
  (match, { applicationProtocols }) => protocolFit(match.applicationProtocols, applicationProtocols),
  (match, { source, directSource = source }) => longestPrefix(match.directSourceCidrs, directSource.host),
  (match, connection) => (match.sourceType === 'any' ? 0 : (match.sourceType === 'external') !== isLocal(connection) ? 1 : -1),
  (match, { source }) => longestPrefix(match.sourceCidrs, source.host),
  (match, { source }) => (match.sourcePorts.length === 0 ? 0 : match.sourcePorts.includes(source.port) ? 1 : -1),
];

export function matchFilterChain(chains: readonly MatchableChain[], connection: ConnectionView): FilterChainRuntime | undefined {
  let left = chains;
  for (const fit of STAGES) {
    let best = 0;
    let kept: MatchableChain[] = [];
    for (const candidate of left) {
      const score = fit(candidate.match, connection);
      if (score < best) continue;
      if (score > best) kept = [];
      best = score;
      kept.push(candidate);
    }
    if (kept.length === 0) return undefined;
    left = kept;
  }
  return left[0]?.chain;
}

function longestPrefix(cidrs: readonly Cidr[], host: string): number {
  if (cidrs.length === 0) return 0;
  const ip = parseIp(host);
  let best = -1;
  for (const cidr of cidrs) if (ip && cidr.prefixLength + 1 > best && cidrContains(cidr, ip)) best = cidr.prefixLength + 1;
  return best;
}

function serverNameFit(names: readonly string[], serverName: string | undefined): number {
  if (names.length === 0) return 0;
  let best = -1;
  for (const name of names) {
    if (serverName === undefined) continue;
    if (name === serverName) return Number.MAX_SAFE_INTEGER;
    if (name.startsWith('*.') && serverName.length >= name.length && serverName.endsWith(name.slice(1))) best = Math.max(best, name.length);
  }
  return best;
}

// The client's protocols are tried in its order: an earlier one is the better fit.
function protocolFit(asked: readonly string[], offered: readonly string[]): number {
  if (asked.length === 0) return 0;
  const at = offered.findIndex((protocol) => asked.includes(protocol));
  return at < 0 ? -1 : offered.length - at;
}

function isLocal({ source, destination }: ConnectionView): boolean {
  return source.host === destination.host || source.host === '::1' || source.host.startsWith('127.');
}

/** Chains whose rules can be told apart by nothing cannot both be meant; gives the earlier chain of each such pair. */
export function findOverlap(matches: readonly CompiledChainMatch[]): { readonly earlier: number; readonly later: number } | undefined {
  const seen = new Map<string, number>();
  for (const [later, match] of matches.entries()) {
    for (const key of keysOf(match)) {
      const earlier = seen.get(key);
      if (earlier !== undefined) return { earlier, later };
      seen.set(key, later);
    }
  }
  return undefined;
}

/** Every combination of single values that the match names; "" where it names none. */
function keysOf(match: CompiledChainMatch): Set<string> {
  const alternatives: readonly (readonly (string | number)[])[] = [
    match.destinationCidrs.map(textOfCidr),
    match.serverNames,
    match.applicationProtocols,
    match.directSourceCidrs.map(textOfCidr),
    match.sourceCidrs.map(textOfCidr),
    match.sourcePorts,
  ];
  let keys = [`${match.destinationPort ?? ''}|${match.transportProtocol}|${match.sourceType}`];
  for (const values of alternatives) {
    if (keys.length * values.length > MAX_COMBINATIONS) break;
    keys = values.length === 0 ? keys.map((key) => `${key}|`) : keys.flatMap((key) => values.map((value) => `${key}|${value}`));
  }
  return new Set(keys);
}

/** More than this in one chain are not compared further. */
const MAX_COMBINATIONS = 10_000;

function textOfCidr({ bytes, prefixLength }: Cidr): string {
  const network = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - 8 * i))));
  return `${network.join('.')}/${prefixLength}`;
}
