// The environment of the control plane, read here and nowhere else. Names are istiod's.

import { CodedError, parseDuration } from '@lateen/base';

export type ControlSettings = {
  /** After the last of a burst of changes. Default 100 ms. */
  debounceAfterMs: number;
  /** However long a burst lasts. Default 500 ms (istiod: 10 s), so that a rule takes effect within a second while pods come and go. */
  debounceMaxMs: number;
  clusterId: string;
  podName: string;
  /** Where the control plane itself runs. Default istio-system. */
  namespace: string;
  /** Where the pod's token and CA are. */
  serviceAccountDir: string;
  /** The whole environment, for what reads kubeconfig and in-cluster variables. */
  env: Readonly<Record<string, string | undefined>>;
};

export function readSettings(env: Readonly<Record<string, string | undefined>> = process.env): ControlSettings {
  return {
    debounceAfterMs: durationMs(env, 'PILOT_DEBOUNCE_AFTER', 100),
    debounceMaxMs: durationMs(env, 'PILOT_DEBOUNCE_MAX', 500),
    clusterId: env['CLUSTER_ID'] || 'Kubernetes',
    podName: env['POD_NAME'] || 'istiod',
    namespace: env['POD_NAMESPACE'] || 'istio-system',
    serviceAccountDir: env['LATEEN_SERVICEACCOUNT_DIR'] || '/var/run/secrets/kubernetes.io/serviceaccount',
    env,
  };
}

function durationMs(env: Readonly<Record<string, string | undefined>>, name: string, fallback: number): number {
  const text = env[name];
  if (!text) return fallback;
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value >= 0) return parsed.value;
  throw new CodedError({
    code: 'LAT0402',
    what: `environment variable ${name} is not a duration: ${text}`,
    fix: 'write for example 100ms or 1s',
  });
}
