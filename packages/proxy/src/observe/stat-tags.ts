// What of a statistic's name is a label in Prometheus: Envoy's default tags, and those that the bootstrap adds (stats_config).

import { fail, messageOf, ok, type Result } from '@lateen/base';

/** A name without its tags, and the tags. */
export type TaggedName = {
  /** As Prometheus writes them. */
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As Envoy writes them. */
  readonly stem: string;
  readonly tags: readonly (readonly [name: string, value: string])[];
};

/** From the whole name of a statistic. */
export type StatTags = (name: string) => TaggedName;

export type TagSpecifier = {
  readonly name: string;
  /** Neither: the default of that name. */
  readonly regex?: string;
  readonly fixedValue?: string;
};

/** The first group is cut out of the name; the value is the second, or else the first. */
type Extractor = { readonly name: string; readonly regex: RegExp };

const ADDRESS = String.raw`(?:(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[[a-fA-F_\d]+\])_\d+)`;
const VALUE = '[^.]+';
const WITH_TLS = String.raw`^(?:listener|cluster)\..*?\.ssl`;

/** Parts of a name: `*` is any one, `$` the tag; more must follow. */
const ofTokens = (tokens: string): string =>
  `^${tokens
    .split('.')
    .map((part) => (part === '$' ? `((${VALUE})\\.)` : part === '*' ? `${VALUE}\\.` : `${part}\\.`))
    .join('')}(?=.)`;

// In Envoy's order, which is the order of labels.
const DEFAULTS: readonly (readonly [name: string, pattern: string])[] = [
  ['response_code', String.raw`_rq(_(\d{3}))$`],
  ['response_code_class', String.raw`_rq_((\d))xx$`],
  ['grpc_bridge_method', ofTokens('cluster.*.grpc.*.$')],
  ['http_user_agent', ofTokens('http.*.user_agent.$')],
  ['virtual_cluster', ofTokens('vhost.*.vcluster.$')],
  ['fault_downstream_cluster', ofTokens('http.*.fault.$')],
  ['ssl_cipher', String.raw`^listener\..*?\.ssl\.ciphers(\.([\w-]+))$`],
  ['ssl_curve', String.raw`${WITH_TLS}\.curves(\.([\w-]+))$`],
  ['ssl_sigalg', String.raw`${WITH_TLS}\.sigalgs(\.([\w-]+))$`],
  ['ssl_version', String.raw`${WITH_TLS}\.versions(\.(TLSv\d\.\d))$`],
  ['tls_certificate', String.raw`${WITH_TLS}\.certificate\.((${VALUE})\.).*$`],
  ['cipher_suite', String.raw`^cluster\.${VALUE}\.ssl\.ciphers(\.([\w-]+))$`],
  ['grpc_bridge_service', ofTokens('cluster.*.grpc.$')],
  ['tcp_prefix', ofTokens('tcp.$')],
  ['udp_prefix', ofTokens('udp.$')],
  ['ratelimit_prefix', ofTokens('ratelimit.$')],
  ['cluster_name', ofTokens('cluster.$')],
  ['http_conn_manager_prefix', String.raw`^listener\..*?\.http\.((${VALUE})\.)`],
  ['ext_authz_prefix', ofTokens('cluster.*.ext_authz.$')],
  ['ext_authz_prefix', ofTokens('http.*.ext_authz.$')],
  ['http_conn_manager_prefix', ofTokens('http.$')],
  ['worker_id', String.raw`^(?:listener\.(?:${ADDRESS}|${VALUE})|server|listener_manager|thread_local_cluster_manager)\.worker_((\d+)\.)`],
  ['listener_address', String.raw`^listener\.(?!admin\.)((${ADDRESS}|${VALUE})\.)`],
  ['virtual_host', ofTokens('vhost.$')],
  ['rds_route_config', String.raw`^http\.${VALUE}\.rds\.(([\w.-]+)\.)\w+?$`],
  ['scoped_rds_config', String.raw`^http\.${VALUE}\.scoped_rds\.(([\w.-]+)\.)\w+?$`],
  ['route', ofTokens('vhost.*.route.$')],
  ['local_http_ratelimit_prefix', ofTokens('$.http_local_rate_limit')],
  ['local_network_ratelimit_prefix', ofTokens('local_rate_limit.$')],
  ['local_listener_ratelimit_prefix', ofTokens('listener_local_ratelimit.$')],
  ['connection_limit_prefix', ofTokens('connection_limit.$')],
  ['proxy_protocol_version', String.raw`^proxy_proto\.((?:${VALUE}\.)?versions\.v(\d)\.)\w+$`],
  ['xds_resource_name', String.raw`^sds\.((${VALUE})\.).+`],
];

const DEFAULT_EXTRACTORS: readonly Extractor[] = DEFAULTS.map(([name, pattern]) => ({
  // The one without Envoy's prefix.
  name: name === 'cipher_suite' ? name : `envoy.${name}`,
  regex: new RegExp(pattern, 'd'),
}));

const POSIX: Readonly<Record<string, string>> = {
  digit: '\\d',
  alpha: 'a-zA-Z',
  alnum: 'a-zA-Z\\d',
  lower: 'a-z',
  upper: 'A-Z',
  space: '\\s',
  xdigit: '\\da-fA-F',
};

/**
 * Envoy compiles these expressions as ECMAScript's, with look-ahead and POSIX classes: Istio's bootstrap has both. They come
 * from the operator and meet names that come from configuration, so the engine that backtracks is right here.
 */
function compilePattern(source: string): Result<RegExp> {
  try {
    return ok(
      new RegExp(
        source.replace(/\[:(\w+):\]/g, (whole, name: string) => (Object.hasOwn(POSIX, name) ? (POSIX[name] as string) : whole)),
        'd',
      ),
    );
  } catch (error) {
    return fail(messageOf(error));
  }
}

/** What the whole-name cache may hold; more clears it. */
const MAX_CACHED = 20_000;

/** The tags of a bootstrap; the error says which specifier is wrong. */
export function compileStatTags(specifiers: readonly TagSpecifier[], useAllDefaults = true): Result<StatTags> {
  const extractors: Extractor[] = useAllDefaults ? [...DEFAULT_EXTRACTORS] : [];
  const fixed: [string, string][] = [];
  for (const { name, regex, fixedValue } of specifiers) {
    if (fixedValue !== undefined) fixed.push([name, fixedValue]);
    else if (regex) {
      const compiled = compilePattern(regex);
      if (!compiled.ok) return fail(`${name}: ${compiled.error}`);
      extractors.push({ name, regex: compiled.value });
    } else {
      const known = DEFAULT_EXTRACTORS.filter((each) => each.name === name);
      if (known.length === 0) return fail(`${name}: there is no default of this name, so regex or fixed_value is required`);
      extractors.push(...known);
    }
  }
  // As Envoy: those that any name may have stand before those of names that begin alike.
  const ordered = [...extractors.filter(({ regex }) => !isAnchored(regex)), ...extractors.filter(({ regex }) => isAnchored(regex))];
  const cache = new Map<string, TaggedName>();
  return ok((name) => {
    let tagged = cache.get(name);
    if (!tagged) {
      tagged = extract(name, ordered, fixed);
      if (cache.size >= MAX_CACHED) cache.clear();
      cache.set(name, tagged);
    }
    return tagged;
  });
}

const isAnchored = ({ source }: RegExp): boolean => /^\^\w+(?:\\\.|\(\?=\\\.\))/.test(source);

function extract(name: string, extractors: readonly Extractor[], fixed: readonly (readonly [string, string])[]): TaggedName {
  const tags = [...fixed];
  const cuts: (readonly [from: number, to: number])[] = [];
  for (const { name: tag, regex } of extractors) {
    const found = regex.exec(name);
    const cut = found?.indices?.[1];
    const value = found?.[2] ?? found?.[1];
    if (!cut || value === undefined) continue;
    if (tags.some(([known]) => known === tag)) continue;
    tags.push([tag, value]);
    cuts.push(cut);
  }
  const stem = without(name, cuts);
  return { family: `envoy_${sanitize(stem)}`, labels: Object.fromEntries(tags.map(([tag, value]) => [sanitize(tag), value])), stem, tags };
}

function without(name: string, cuts: readonly (readonly [from: number, to: number])[]): string {
  let rest = '';
  let at = 0;
  for (const [from, to] of [...cuts].sort(([a], [b]) => a - b)) {
    rest += name.slice(at, Math.max(at, from));
    at = Math.max(at, to);
  }
  return rest + name.slice(at);
}

const sanitize = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, '_');

/** Envoy's defaults. */
export const ENVOY_TAGS: StatTags = (() => {
  const tags = compileStatTags([]);
  if (!tags.ok) throw new Error(tags.error);
  return tags.value;
})();
