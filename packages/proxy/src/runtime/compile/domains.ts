// Virtual host lookup as Envoy does it: exact, longest "*suffix", longest "prefix*", then "*".

import type { Report } from './report.ts';

export type DomainMap<T> = {
  /** `host` is lower case. */
  find(host: string): T | undefined;
  explain(host: string): { domain: string; value: T } | undefined;
};

type Wildcards<T> = { lengths: readonly number[]; byText: ReadonlyMap<string, T> };

export function compileDomains<T>(entries: readonly { domains: readonly string[]; value: T }[], report: Report): DomainMap<T> {
  const exact = new Map<string, T>();
  const suffixes = new Map<string, T>();
  const prefixes = new Map<string, T>();
  let all: T | undefined;
  entries.forEach(({ domains, value }, i) => {
    domains.forEach((each, j) => {
      const domain = each.toLowerCase();
      const at = report.at('virtual_hosts', i).at('domains', j);
      const star = domain.indexOf('*');
      if (domain === '*') {
        if (all !== undefined) at.refuse('a second "*" domain');
        all = value;
        return;
      }
      const [map, key] =
        star === 0
          ? [suffixes, domain.slice(1)]
          : star > 0 && star === domain.length - 1
            ? [prefixes, domain.slice(0, -1)]
            : [exact, domain];
      if (key.includes('*')) at.refuse(`${JSON.stringify(each)} has a wildcard in an unsupported place`);
      if (map.has(key)) at.refuse(`${JSON.stringify(each)} is already the domain of another virtual host`);
      map.set(key, value);
    });
  });
  const suffixMap = wildcardsOf(suffixes);
  const prefixMap = wildcardsOf(prefixes);
  return {
    find(host) {
      const hit = exact.get(host);
      if (hit !== undefined) return hit;
      for (const length of suffixMap.lengths) {
        const found = length < host.length ? suffixMap.byText.get(host.slice(-length)) : undefined;
        if (found !== undefined) return found;
      }
      for (const length of prefixMap.lengths) {
        const found = length < host.length ? prefixMap.byText.get(host.slice(0, length)) : undefined;
        if (found !== undefined) return found;
      }
      return all;
    },
    explain(host) {
      const value = this.find(host);
      if (value === undefined) return undefined;
      if (exact.get(host) === value) return { domain: host, value };
      const suffix = suffixMap.lengths.find((length) => length < host.length && suffixMap.byText.get(host.slice(-length)) === value);
      if (suffix !== undefined) return { domain: `*${host.slice(-suffix)}`, value };
      const prefix = prefixMap.lengths.find((length) => length < host.length && prefixMap.byText.get(host.slice(0, length)) === value);
      return { domain: prefix === undefined ? '*' : `${host.slice(0, prefix)}*`, value };
    },
  };
}

const wildcardsOf = <T>(byText: ReadonlyMap<string, T>): Wildcards<T> => ({
  byText,
  lengths: [...new Set([...byText.keys()].map((text) => text.length))].sort((a, b) => b - a),
});

/** "host:80" -> "host"; IPv6 brackets stay. */
export function hostWithoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? host.slice(0, colon) : host;
}
