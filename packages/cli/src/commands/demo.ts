import { join } from 'node:path';
import { createHttpTransport, createKubeClient, loadClusterConfig } from '@lateen/kube';
import { Argument, Command } from 'commander';
import { DEMOS, type Demo, installDemo } from '../machine/demos.ts';
import { createProgress } from '../machine/progress.ts';
import { requireReport } from '../machine/state-dir.ts';
import type { CliSettings } from '../settings.ts';
import { pathsOf, stateDirOption } from './state-option.ts';

/** `lateen demo`: a sample into the running mesh. */
export function demoCommand(settings: CliSettings): Command {
  return new Command('demo')
    .description('install a sample into the running mesh, as its tutorial does')
    .addArgument(new Argument('<name>', 'which sample').choices(DEMOS))
    .addOption(stateDirOption(settings))
    .action(async (demo: Demo, options: { stateDir: string }) => {
      const report = requireReport(pathsOf(options));
      const client = createKubeClient(createHttpTransport(loadClusterConfig({ env: {}, path: report.kubeconfig })), {
        fieldManager: 'lateen',
      });
      const abort = new AbortController();
      const onInterrupt = () => abort.abort(new Error('interrupted'));
      process.once('SIGINT', onInterrupt);
      try {
        await installDemo({
          client,
          demo,
          samples: join(settings.checkout, 'samples'),
          gateway: report.gateway ?? '',
          progress: createProgress((text) => void process.stdout.write(text)),
          signal: abort.signal,
        });
      } finally {
        process.off('SIGINT', onInterrupt);
        await client.close();
      }
    });
}
