// The containers that run inside the node process. Istio's proxy image is one image with two programs: istio-iptables for the
// init container, the proxy for everything else.

import { CodedError, type SocketAddress } from '@lateen/base';
import type { BuiltinContainer, Cluster } from '@lateen/cluster';
import { captureContainer } from '@lateen/cluster/node';
import type { Service } from '@lateen/kube/types';
import { runSidecar } from '@lateen/proxy';

/** Where injected pods have the downward API's labels and annotations. */
const POD_INFO = '/etc/istio/pod';
const SERVICES = { group: '', version: 'v1', resource: 'services', namespaced: true };

/** As the cluster's DNS server says. */
const NAME_TTL_MS = 5_000;

/** By the names that catalogues use. */
export function createBuiltins({ client, network }: Pick<Cluster, 'client' | 'network'>): Record<string, BuiltinContainer> {
  // This process has no cluster DNS of its own.
  const resolveService = async ({ host, port }: SocketAddress): Promise<SocketAddress> => {
    const [, name, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\..*)?)?$/.exec(host) ?? [];
    if (name === undefined || namespace === undefined) return { host, port };
    const { spec } = await client.get<Service>(SERVICES, { namespace, name });
    if (!spec.clusterIP) throw new CodedError({ code: 'LAT3003', what: `service ${host} has no cluster address` });
    return network.resolve({ host: spec.clusterIP, port });
  };
  return {
    'istio-proxy': (context) => {
      if (/^istio-(clean-)?iptables$/.test(context.argv[0] ?? '')) return captureContainer(context);
      return runSidecar({
        argv: context.argv,
        env: context.env,
        transport: context.sandbox.transport,
        write: context.write,
        stop: context.stop,
        podInfoDir: context.mounts.get(POD_INFO),
        resolveAddress: resolveService,
        resolve: async (name, family) => ({
          addresses: family === 'v6' ? [] : await network.lookup(name, context.env.POD_NAMESPACE ?? 'default'),
          ttlMs: NAME_TTL_MS,
        }),
      });
    },
  };
}
