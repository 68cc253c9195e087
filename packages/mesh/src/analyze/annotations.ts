// Istio's annotations on Namespaces, Services, Pods and Deployments: unknown (IST0108), on the wrong kind (IST0107), with a value
// that cannot be (IST0125), deprecated (IST0135).

import { closestName } from '@lateen/api';
import type { KubeObject } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { ANNOTATIONS, type KnownAnnotation } from './known-annotations.ts';
import { stringsOf, type World } from './world.ts';

const INGRESS_CLASS = 'kubernetes.io/ingress.class';

export function analyzeAnnotations(world: World, out: Collector): void {
  for (const kind of ['Namespace', 'Service', 'Pod'] as const) {
    for (const object of world.all('', kind)) {
      checkAnnotations(object, { kind, annotations: stringsOf(object.metadata.annotations), path: 'metadata.annotations', out });
    }
  }
  for (const object of world.all('apps', 'Deployment')) {
    checkAnnotations(object, {
      kind: 'Deployment',
      annotations: stringsOf(object.metadata.annotations),
      path: 'metadata.annotations',
      out,
    });
    const template = world.workloads.find((workload) => workload.object === object);
    checkAnnotations(object, { kind: 'Pod', annotations: template?.annotations ?? {}, path: 'spec.template.metadata.annotations', out });
  }
}

type Context = { kind: string; annotations: Record<string, string>; path: string; out: Collector };

function checkAnnotations(object: KubeObject, { kind, annotations, path, out }: Context): void {
  for (const [name, value] of Object.entries(annotations)) {
    const domain = name.split('/')[0] ?? '';
    if (name !== INGRESS_CLASS && domain !== 'istio.io' && !domain.endsWith('.istio.io')) continue;
    const place = `${path}[${name}]`;
    const known = Object.hasOwn(ANNOTATIONS, name) ? (ANNOTATIONS[name] as KnownAnnotation) : undefined;
    if (!known) {
      const guess = closestName(name, Object.keys(ANNOTATIONS));
      out.add('IST0108', object, {
        path: place,
        message: `Unknown annotation: ${name}`,
        ...(guess ? { fix: `Did you mean ${guess}?` } : {}),
      });
      continue;
    }
    if (known.deprecated)
      out.add('IST0135', object, {
        path: place,
        message: `Annotation "${name}" has been deprecated and may not work in future Istio versions.`,
      });
    if (!known.kinds.includes('Any') && !known.kinds.includes(kind)) {
      out.add('IST0107', object, {
        path: place,
        message: `Misplaced annotation: ${name} can only be applied to ${known.kinds.join(', ')}`,
        ...(kind === 'Deployment' && known.kinds.includes('Pod') ? { fix: 'Put it under spec.template.metadata.annotations.' } : {}),
      });
      continue;
    }
    const problem = known.problem?.(value);
    if (problem) out.add('IST0125', object, { path: place, message: `Invalid annotation ${name}: ${problem}` });
  }
}
