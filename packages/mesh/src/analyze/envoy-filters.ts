// EnvoyFilters whose operation does not work where it is used (IST0152 to IST0154), or depends on the order of others without a
// priority (IST0151, IST0155).

import type { EnvoyConfigObjectPatch, EnvoyFilter } from '@lateen/api';
import type { Collector } from './collector.ts';
import type { World } from './world.ts';

const REPLACEABLE = ['HTTP_FILTER', 'NETWORK_FILTER', 'VIRTUAL_HOST'];
const ROUTES = ['ROUTE_CONFIGURATION', 'HTTP_ROUTE'];

export function analyzeEnvoyFilters(world: World, out: Collector): void {
  for (const filter of world.istio('EnvoyFilter')) {
    filter.spec.configPatches?.forEach((patch, i) => {
      checkOperation(filter, patch, { path: `spec.configPatches[${i}].patch.operation`, out });
    });
  }
}

function checkOperation(
  filter: EnvoyFilter,
  { applyTo = 'INVALID', match, patch }: EnvoyConfigObjectPatch,
  { path, out }: { path: string; out: Collector },
): void {
  const operation = patch?.operation;
  const hasVersion = Boolean(match?.proxy?.proxyVersion);
  if (operation === 'REPLACE' && !REPLACEABLE.includes(applyTo)) {
    out.add('IST0152', filter, { path, message: `The REPLACE operation is only valid for ${REPLACEABLE.join(', ')}, not for ${applyTo}.` });
    return;
  }
  if ((operation === 'ADD' || operation === 'REMOVE') && ROUTES.includes(applyTo)) {
    out.add(operation === 'ADD' ? 'IST0153' : 'IST0154', filter, {
      path,
      message: `The ${operation} operation will be ignored when applyTo is set to ${ROUTES.join(', or ')}.`,
    });
    return;
  }
  const isRelative =
    operation === 'INSERT_BEFORE' || operation === 'INSERT_AFTER' || operation === 'REMOVE' || (operation === 'REPLACE' && hasVersion);
  if (!isRelative || filter.spec.priority) return;
  const fix = 'Set a priority, or use INSERT_FIRST or ADD.';
  out.add('IST0151', filter, {
    path,
    message:
      'This EnvoyFilter does not have a priority and has a relative patch operation set which can cause the EnvoyFilter not to be applied.',
    fix,
  });
  if (hasVersion) {
    out.add('IST0155', filter, {
      path,
      message:
        'This EnvoyFilter has a relative patch operation and proxyVersion set which can cause the EnvoyFilter not to be applied during an upgrade.',
      fix,
    });
  }
}
