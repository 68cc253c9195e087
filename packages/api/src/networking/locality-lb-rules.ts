// Semantic rules of locality load balancing.

import type { Report } from '../findings/report.ts';
import type { LocalityLoadBalancerSetting } from './traffic-policy.ts';

const TOPOLOGY_LABELS = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone', 'topology.istio.io/subzone'];

/** `path` is that of the load balancer; fail-over without outlier detection gets a warning. */
export function checkLocalityLb(
  setting: LocalityLoadBalancerSetting | undefined,
  parent: string,
  options: { hasOutlierDetection: boolean; report: Report },
): void {
  if (!setting) return;
  const { report } = options;
  const path = `${parent}.localityLbSetting`;
  const { distribute = [], failover = [], failoverPriority = [] } = setting;
  if (distribute.length > 0 && failover.length > 0) return report.error(path, "can not simultaneously specify 'distribute' and 'failover'");
  const topology = failoverPriority.find((label) => TOPOLOGY_LABELS.includes(label));
  if (failover.length > 0 && topology) {
    return report.error(path, `can not simultaneously set 'failover' and topology label '${topology}' in 'failover_priority'`);
  }
  distribute.forEach((entry, i) => {
    report.check(`${path}.distribute[${i}].to`, sharesProblem(entry.to ?? {}));
  });
  report.check(`${path}.distribute`, localitiesProblem(distribute.map((entry) => entry.from ?? '')));
  if ((failover.length > 0 || failoverPriority.length > 0) && !options.hasOutlierDetection) {
    report.warning(path, 'outlier detection policy must be provided for failover');
  }
  failover.forEach(({ from = '', to = '' }, i) => {
    const place = `${path}.failover[${i}]`;
    if (from === to) report.error(place, 'locality lb failover settings must specify different regions');
    if (from.includes('/') || to.includes('/')) report.error(place, 'locality lb failover only specify region');
    if (from.includes('*') || to.includes('*')) report.error(place, "locality lb failover region should not contain '*' wildcard");
  });
}

function sharesProblem(to: Record<string, number>): string | undefined {
  const weights = Object.values(to);
  if (weights.some((weight) => weight <= 0 || weight > 100)) return 'locality weight must be in range [1, 100]';
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total !== 100) return `total locality weight ${total} != 100`;
  // A map has no order: wildcards are what is left over, so they come last.
  const wildcardsLast = Object.keys(to).sort((a, b) => Number(a.includes('*')) - Number(b.includes('*')));
  return localitiesProblem(wildcardsLast);
}

// An earlier locality takes everything below it; a wildcard may follow as the fallback.
function localitiesProblem(localities: readonly string[]): string | undefined {
  const seen: string[][] = [];
  for (const locality of localities) {
    const star = locality.indexOf('*');
    if (star >= 0 && star !== locality.length - 1)
      return `locality ${locality} wildcard '*' number can not exceed 1 and must be in the end`;
    const parts = locality.split('/');
    if (parts.includes('')) return `locality ${locality} must not contain empty region/zone/subzone info`;
    if (seen.some((earlier) => isPrefix(withoutStar(earlier), parts) || isPrefix(parts, earlier))) {
      return `locality ${locality} overlap with previous specified ones`;
    }
    seen.push(parts);
  }
  return undefined;
}

const withoutStar = (parts: readonly string[]): readonly string[] => (parts.at(-1) === '*' ? parts.slice(0, -1) : parts);
const isPrefix = (prefix: readonly string[], parts: readonly string[]): boolean => prefix.every((part, i) => part === parts[i]);
