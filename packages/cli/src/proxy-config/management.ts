import { path } from './dump.ts';

/** The object behind a route or cluster, "name.namespace", from the metadata that the control plane leaves on it. */
export function managedBy(resource: unknown): string {
  const config = path(resource, 'metadata', 'filter_metadata', 'istio', 'config');
  if (typeof config !== 'string') return '';
  // /apis/networking.istio.io/v1/namespaces/NS/KIND/NAME
  const parts = config.split('/');
  const [namespace, , name] = parts.slice(-3);
  return parts.length >= 7 && name && namespace ? `${name}.${namespace}` : config;
}
