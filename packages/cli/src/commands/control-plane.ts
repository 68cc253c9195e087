import { Command } from 'commander';
import { compactHeap } from '../machine/compact-heap.ts';
import { untilSignalled } from '../machine/until-signalled.ts';
import { outliveReader } from '../output/closed-output.ts';
import type { CliSettings } from '../settings.ts';

/** `lateen control-plane`: the control plane alone. Its arguments are read by @lateen/control, which knows istiod's spellings too. */
export function controlPlaneCommand(settings: CliSettings): Command {
  return new Command('control-plane')
    .description('run the control plane: from a Kubernetes API, or from a folder of YAML without one')
    .usage('[options]')
    .allowUnknownOption()
    .argument('[arguments...]', 'flags as below, or as istiod takes them')
    .addHelpText(
      'after',
      `
From a folder, reloaded as files change, without an API server:
  --config-dir <dir>      Istio objects and plain Kubernetes objects as YAML
  --mesh-config <file>    MeshConfig (default: Istio's defaults)

From a Kubernetes API (default: the cluster this pod runs in, else the kubeconfig):
  --kubeconfig <file>, --context <name>
  --webhooks <host:port>  HTTPS for /inject and /validate (default 0.0.0.0:15017)

Both:
  --xds <host:port>         ADS, plaintext (default port 15010; loopback with --config-dir)
  --http <host:port>        GET /ready is 200 once everything is loaded; /debug/… (default port 8080)
  --monitoring <host:port>  /metrics and /version (default port 15014; with --config-dir on --http)
  --log-level <level>       debug, info, warn or error

Example:
  ${settings.programName} control-plane --config-dir ./mesh --xds 127.0.0.1:15010 --http 127.0.0.1:8080`,
    )
    .action(async (args: string[]) => {
      const { runControlPlane } = await import('@lateen/control');
      outliveReader();
      const controlPlane = await runControlPlane(args);
      compactHeap();
      await untilSignalled();
      await controlPlane.close();
    });
}
