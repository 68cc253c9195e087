// The node process of `lateen up`: the embedded Kubernetes, every sidecar, and the installation of the mesh into it. It runs in
// the namespaces that its parent made, and ends when the parent asks or goes.

import { join } from 'node:path';
import { createLogger, type SocketAddress, systemClock } from '@lateen/base';
import { createCluster } from '@lateen/cluster';
import { connectHost } from '@lateen/cluster/network';
import { renderError } from '../output/errors.ts';
import { createBuiltins } from './builtins.ts';
import { compactHeap } from './compact-heap.ts';
import { compactWhenIdle } from './compact-when-idle.ts';
import { installDemo } from './demos.ts';
import { gatewayUrl, installMesh } from './install-mesh.ts';
import { NODE_OPTIONS_VARIABLE, type NodeOptions, type NodeReport } from './node-options.ts';
import { createProgress } from './progress.ts';

const options = JSON.parse(process.env[NODE_OPTIONS_VARIABLE] ?? '{}') as NodeOptions;
delete process.env[NODE_OPTIONS_VARIABLE];
const host = connectHost();
const report = (value: NodeReport) => host.report(value);
const logger = createLogger({ scope: 'node' });
const abort = new AbortController();
// A step that Ctrl-C cuts short has not failed.
const progress = createProgress((text) => {
  if (!abort.signal.aborted) report({ kind: 'text', text });
});

let close = async (): Promise<void> => {};
const end = async (exitCode: number): Promise<void> => {
  abort.abort(new Error('the mesh is stopping'));
  await close().catch((error: unknown) => logger.error('while stopping', { error }));
  process.exit(exitCode);
};
host.onStop(() => void end(0));

try {
  const cluster = await progress.step(
    'Kubernetes API',
    () =>
      createCluster({
        stateDir: options.stateDir,
        network: options.network,
        host,
        catalogueFiles: options.catalogueFiles,
        builtins: createBuiltins,
        programEnvironment: options.compileCache ? { NODE_COMPILE_CACHE: options.compileCache } : {},
        apiPort: options.apiPort,
        clock: systemClock,
        logger,
      }),
    ({ apiServerUrl }) => apiServerUrl,
  );
  close = () => cluster.close();
  const { client } = cluster;
  await installMesh({ client, progress, gatewayHttpPort: options.gatewayHttpPort, signal: abort.signal });
  const gateway = await gatewayUrl(client);
  if (options.demo && gateway) {
    const dial = (address: SocketAddress) => host.dialFromHost(address);
    await installDemo({ client, demo: options.demo, samples: options.samples, gateway, dial, progress, signal: abort.signal });
  }
  compactHeap();
  compactWhenIdle({ clock: systemClock, isStarted: () => true });
  report({ kind: 'ready', apiServer: cluster.apiServerUrl, kubeconfig: join(cluster.kubeconfigPath), gateway });
} catch (error) {
  if (!abort.signal.aborted) {
    logger.error('the start failed', { error });
    report({ kind: 'failed', text: `${renderError(error, { programName: 'lateen' })}\n` });
    await end(1);
  }
}
