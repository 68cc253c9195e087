// The containers that run inside the node process: Istio's proxy image is one image with two programs.

import type { BuiltinContainer } from '@lateen/cluster';
import { captureContainer } from '@lateen/cluster/node';
import { runSidecar } from '@lateen/proxy';

/** Where injected pods have the downward API's labels and annotations. */
const POD_INFO = '/etc/istio/pod';

/** By the names that catalogues use. */
export const builtins: Record<string, BuiltinContainer> = {
  'istio-proxy': (context) => {
    const [program] = context.argv;
    if (program === 'istio-iptables' || program === 'istio-clean-iptables') return captureContainer(context);
    return runSidecar({
      argv: context.argv,
      env: context.env,
      transport: context.sandbox.transport,
      write: context.write,
      stop: context.stop,
      podInfoDir: context.mounts.get(POD_INFO),
    });
  },
};
