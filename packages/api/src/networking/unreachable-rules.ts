// Rules of a VirtualService that an earlier rule leaves nothing for (IST0130, IST0131).

import { stableStringify } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import type { StringMatch } from '../schema/shared.ts';
import type { HTTPMatchRequest, VirtualServiceSpec } from './virtual-service.ts';

type AnyRoute = { name?: string; match?: readonly object[] };

// TCP and TLS routes and matches have no names.
const nameOf = (item: { name?: string } | undefined, index: number): string => (item?.name ? JSON.stringify(item.name) : `#${index}`);

/** Reports unreachable rules and ineffective matches of all three protocols. */
export function checkUnreachableRules(spec: VirtualServiceSpec, report: Report): void {
  checkDuplicates(spec.http, 'spec.http', report);
  checkDuplicates(spec.tcp, 'spec.tcp', report);
  checkDuplicates(spec.tls, 'spec.tls', report);
  checkCoveredPrefixes(spec.http ?? [], report);
}

function checkDuplicates(routes: readonly object[] | undefined, path: string, report: Report): void {
  const firstRouteByMatch = new Map<string, number>();
  let sawCatchAll = false;
  (routes as readonly AnyRoute[] | undefined)?.forEach((route, r) => {
    const unreachable = (reason: string): void =>
      report.add({
        code: 'IST0130',
        level: 'warning',
        path: `${path}[${r}]`,
        message: `VirtualService rule ${nameOf(route, r)} not used (${reason}).`,
      });
    if (!route.match?.length) {
      if (sawCatchAll) unreachable('only the last rule can have no matches');
      sawCatchAll = true;
      return;
    }
    let duplicates = 0;
    route.match.forEach((match: { name?: string }, m) => {
      const { name: _name, ...conditions } = match;
      const key = stableStringify(conditions);
      const earlier = firstRouteByMatch.get(key);
      if (earlier === undefined) firstRouteByMatch.set(key, r);
      else {
        duplicates++;
        ineffective(
          { path: `${path}[${r}].match[${m}]`, rule: nameOf(route, r), match: nameOf(match, m), by: nameOf(routes?.[earlier], earlier) },
          report,
        );
      }
    });
    if (duplicates === route.match.length) unreachable('all matches used by prior rules');
  });
}

type Ineffective = { path: string; rule: string; match: string; by: string };

function ineffective({ path, rule, match, by }: Ineffective, report: Report): void {
  const message = `VirtualService rule ${rule} match ${match} is not used (duplicate/overlapping match in rule ${by}).`;
  report.add({ code: 'IST0131', level: 'info', path, message });
}

type PrefixMatch = { match: HTTPMatchRequest; prefix: string; rule: string; label: string; path: string };

// A later prefix that starts with an earlier one never gets a request, when the other conditions are no wider.
function checkCoveredPrefixes(routes: NonNullable<VirtualServiceSpec['http']>, report: Report): void {
  const seen: PrefixMatch[] = [];
  const known = new Set<string>();
  routes.forEach((route, r) => {
    route.match?.forEach((match, m) => {
      const { name: _name, ...conditions } = match;
      const key = stableStringify(conditions);
      if (!match.uri?.prefix || known.has(key)) return;
      known.add(key);
      seen.push({ match, prefix: match.uri.prefix, rule: nameOf(route, r), label: nameOf(match, m), path: `spec.http[${r}].match[${m}]` });
    });
  });
  seen.forEach((first, i) => {
    for (const later of seen.slice(i + 1)) {
      if (first.prefix === later.prefix || !covers(first.match, later.match)) continue;
      ineffective(
        {
          path: later.path,
          rule: later.rule,
          match: `${later.label} of prefix ${later.prefix}`,
          by: `${first.label} of prefix ${first.prefix} on ${first.rule}`,
        },
        report,
      );
    }
  });
}

const condition = (match: StringMatch | undefined): string =>
  match?.exact ? `exact:${match.exact}` : match?.prefix ? `prefix:${match.prefix}` : '';

function covers(first: HTTPMatchRequest, later: HTTPMatchRequest): boolean {
  if (!(later.uri?.prefix ?? '').startsWith(first.uri?.prefix ?? '')) return false;
  if ((first.port ?? 0) !== (later.port ?? 0)) return false;
  const method = (match: HTTPMatchRequest): string => condition(match.method) || 'exact:GET';
  if (!method(first).startsWith(method(later))) return false;
  if (!condition(first.authority).startsWith(condition(later.authority))) return false;
  return (['headers', 'queryParams', 'withoutHeaders'] as const).every((field) => {
    const a = Object.entries(first[field] ?? {});
    const b = later[field] ?? {};
    if (a.length !== Object.keys(b).length) return false;
    return a.every(([name, value]) => Object.hasOwn(b, name) && condition(value).startsWith(condition(b[name])));
  });
}
