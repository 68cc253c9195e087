// The webhook's URL path may carry variables for clusters that share a control plane: /inject/cluster/c1/net/n1.

const NAMES = new Map([
  ['cluster', 'ISTIO_META_CLUSTER_ID'],
  ['net', 'ISTIO_META_NETWORK'],
]);

/** The variables for `InjectConfig.proxyEnvs`. Other keys become variables in upper case; "--slash--" in a value is a "/". */
export function parseInjectPath(path: string): Record<string, string> {
  const parts = path.replace(/\/$/, '').split('/').slice(2);
  const env: Record<string, string> = {};
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const key = parts[i] as string;
    const name = NAMES.get(key) ?? key.toUpperCase();
    if (name !== '') env[name] = (parts[i + 1] as string).replaceAll('--slash--', '/');
  }
  return env;
}
