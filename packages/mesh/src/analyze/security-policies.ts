// Policies that reach nobody: no workloads (IST0127), namespaces that do not exist (IST0101); key URLs that may reach anything (IST0175).

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

/** Told once a control plane, and only where its Deployment is known. */
export function analyzeKeyUrls(world: World, out: Collector): void {
  const policies = world.all('security.istio.io', 'RequestAuthentication');
  if (policies.length === 0) return;
  for (const { kind, labels, object, spec } of world.workloads) {
    if (kind !== 'Deployment' || (object.metadata.labels?.app ?? labels.app) !== 'istiod') continue;
    if (spec.containers?.some(({ env }) => env?.some(({ name, value }) => name === BLOCKED && value))) continue;
    out.add('IST0175', object, {
      path: 'spec.template.spec.containers',
      message: `${BLOCKED} is not set, so the key URLs of ${policies.length} RequestAuthentications may reach internal addresses.`,
      fix: `Set it on istiod to the networks that key URLs must not reach.`,
    });
  }
}
