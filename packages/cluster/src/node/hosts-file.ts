import type { Pod } from '@lateen/kube/types';

/** The /etc/hosts that the kubelet gives to a pod. */
export function hostsFileText({ metadata, spec }: Pod, podIP: string): string {
  const hostname = spec.hostname ?? metadata.name;
  const qualified = spec.subdomain ? `${hostname}.${spec.subdomain}.${metadata.namespace}.svc.cluster.local\t` : '';
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', `${podIP}\t${qualified}${hostname}`];
  for (const { ip, hostnames = [] } of spec.hostAliases ?? []) lines.push(`${ip}\t${hostnames.join('\t')}`);
  return `${lines.join('\n')}\n`;
}
