// ProxyConfig: settings of proxies that take effect when the pod is created.

import type { Resource } from '../kube-object.ts';
import { int32, map, message, type Static, text } from '../schema/build.ts';
import { nonEmptyWorkloadSelector } from '../schema/shared.ts';

export const proxyConfigSpec = message('Settings for the proxies of the mesh, a namespace or selected workloads.', {
  selector: nonEmptyWorkloadSelector,
  concurrency: int32('Worker threads; default 2 by CPU limit, 0 for one per core.', { minimum: 0 }),
  environmentVariables: map('Environment of the proxy container.', text('', { maxLength: 2048 })),
  image: message('Image of the proxy.', { imageType: text('Variant: default, debug or distroless.') }),
});
/** Spec of a ProxyConfig. */
export type ProxyConfigSpec = Static<typeof proxyConfigSpec>;
/** networking.istio.io ProxyConfig. */
export type ProxyConfig = Resource<'ProxyConfig', ProxyConfigSpec>;
