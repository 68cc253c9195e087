// CRDs of the Gateway API that are too old for what this mesh reads of them (IST0176).

import type { Collector } from './collector.ts';
import { stringsOf, type World } from './world.ts';

const BUNDLE_VERSION = 'gateway.networking.k8s.io/bundle-version';

/** The release that brought the version of the kind that is read; other kinds have had theirs since 1.0. */
const MINIMUM: ReadonlyMap<string, Release> = new Map([
  ['tlsroutes.gateway.networking.k8s.io', [1, 5]],
  ['grpcroutes.gateway.networking.k8s.io', [1, 1]],
  ['backendtlspolicies.gateway.networking.k8s.io', [1, 4]],
]);

type Release = readonly [major: number, minor: number];

export function analyzeGatewayApiVersions(world: World, out: Collector): void {
  for (const crd of world.all('apiextensions.k8s.io', 'CustomResourceDefinition')) {
    const minimum = MINIMUM.get(crd.metadata.name);
    const version = stringsOf(crd.metadata.annotations)[BUNDLE_VERSION] ?? '';
    const parts = /^v?(\d{1,6})\.(\d{1,6})\b/.exec(version);
    if (!minimum || !parts) continue;
    const [major, minor] = [Number(parts[1]), Number(parts[2])];
    if (major > minimum[0] || (major === minimum[0] && minor >= minimum[1])) continue;
    out.add('IST0176', crd, {
      path: `metadata.annotations[${BUNDLE_VERSION}]`,
      message: `The Gateway API CRD ${crd.metadata.name} has version ${version}, which is lower than the minimum version ${minimum.join('.')}.0, so its objects are not read.`,
      fix: 'Install the CRDs of a newer release of the Gateway API.',
    });
  }
}
