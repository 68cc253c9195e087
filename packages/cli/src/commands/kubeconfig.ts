import { Command } from 'commander';
import { requireReport } from '../machine/state-dir.ts';
import type { CliSettings } from '../settings.ts';
import { pathsOf, stateDirOption } from './state-option.ts';

/** `lateen kubeconfig`: for KUBECONFIG=$(lateen kubeconfig). */
export function kubeconfigCommand(settings: CliSettings): Command {
  return new Command('kubeconfig')
    .description('print the path of the kubeconfig of the running mesh')
    .addOption(stateDirOption(settings))
    .option('--raw', 'print its content instead')
    .addHelpText('after', `\nExample:\n  export KUBECONFIG=$(${settings.programName} kubeconfig)\n  kubectl get pods --all-namespaces`)
    .action(async (options: { stateDir: string; raw?: boolean }) => {
      const { kubeconfig } = requireReport(pathsOf(options));
      if (!options.raw) return void process.stdout.write(`${kubeconfig}\n`);
      const { readFileSync } = await import('node:fs');
      process.stdout.write(readFileSync(kubeconfig, 'utf8'));
    });
}
