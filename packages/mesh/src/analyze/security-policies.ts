// Policies that reach nobody: no workloads (IST0127), namespaces that do not exist (IST0101), unguarded key URLs (IST0175).

import type { AuthorizationPolicy } from '@lateen/api';
import type { Collector } from './collector.ts';
import { isInMesh, selectorText, selects } from './selectors.ts';
import type { World } from './world.ts';

export function analyzeAuthorizationPolicies(world: World, out: Collector): void {
  for (const policy of world.istio('AuthorizationPolicy')) {
    checkWorkloads(policy, world, out);
    if (world.hasNamespaces) checkNamespaces(policy, world, out);
  }
}

function checkWorkloads(policy: AuthorizationPolicy, world: World, out: Collector): void {
  const { selector, targetRef, targetRefs } = policy.spec;
  if (targetRef || targetRefs?.length) return;
  const labels = selector?.matchLabels ?? {};
  const { namespace = '' } = policy.metadata;
  const isMeshWide = namespace === world.rootNamespace;
  if (isMeshWide && Object.keys(labels).length === 0) return;
  const reached = world.pods.some(
    (pod) => (isMeshWide || pod.namespace === namespace) && selects(labels, pod.labels) && isInMesh(pod, world),
  );
  if (reached) return;
  out.add('IST0127', policy, {
    path: selector ? 'spec.selector' : 'spec',
    message: `No matching workloads for this resource with the following labels: ${selectorText(labels)}`,
    fix: isMeshWide ? 'No pod of the mesh has them.' : `No pod of the mesh in namespace ${namespace} has them.`,
  });
}

function checkNamespaces({ spec, ...policy }: AuthorizationPolicy, world: World, out: Collector): void {
  const names = world.namespaceNames;
  spec.rules?.forEach((rule, r) => {
    rule.from?.forEach(({ source }, f) => {
      for (const field of ['namespaces', 'notNamespaces'] as const) {
        source?.[field]?.forEach((pattern, i) => {
          if (names.some((name) => matchesPattern(pattern, name))) return;
          out.add('IST0101', policy, {
            path: `spec.rules[${r}].from[${f}].source.${field}[${i}]`,
            message: `Referenced namespace not found: "${pattern}"`,
          });
        });
      }
    });
  });
}

/** Exact, "prefix*", "*suffix" or "*". */
function matchesPattern(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  if (pattern.startsWith('*')) return name.endsWith(pattern.slice(1));
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

const BLOCKED = 'BLOCKED_CIDRS_IN_JWKS_URIS';

/** Asked only where the control plane's Deployment is known. */
export function analyzeKeyUrls(world: World, out: Collector): void {
  const controlPlanes = world.workloads.filter(({ kind, labels }) => kind === 'Deployment' && labels.app === 'istiod');
  if (controlPlanes.length === 0) return;
  const isGuarded = controlPlanes.some(({ spec }) =>
    spec.containers?.some(({ env }) => env?.some(({ name, value }) => name === BLOCKED && value)),
  );
  if (isGuarded) return;
  for (const policy of world.istio('RequestAuthentication')) {
    if (!policy.spec.jwtRules?.some((rule) => rule.jwksUri || rule.issuer)) continue;
    out.add('IST0175', policy, {
      path: 'spec.jwtRules',
      message: `${BLOCKED} is not configured on istiod, so key URLs may reach internal addresses.`,
    });
  }
}
