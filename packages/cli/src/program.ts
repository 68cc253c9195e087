// The command tree. Each command is one file in commands/ that declares its flags; what it needs to run is imported only when
// it runs, so that `--help` and completion stay quick.

import { controlPlaneCommand } from './commands/control-plane.ts';
import { demoCommand } from './commands/demo.ts';
import { downCommand } from './commands/down.ts';
import { imagesCommand } from './commands/images.ts';
import { kubeInjectCommand } from './commands/kube-inject.ts';
import { kubeconfigCommand } from './commands/kubeconfig.ts';
import { notYetCommands } from './commands/not-yet.ts';
import { applyCommand, deleteCommand, getCommand, logsCommand } from './commands/objects.ts';
import { proxyCommand } from './commands/proxy.ts';
import { proxyConfigCommand } from './commands/proxy-config.ts';
import { proxyStatusCommand } from './commands/proxy-status.ts';
import { statusCommand } from './commands/status.ts';
import { startCommand, upCommand } from './commands/up.ts';
import { analyzeCommand, validateCommand } from './commands/validate.ts';
import { versionCommand } from './commands/version.ts';
import { runCommandLine } from './run-command-line.ts';
import { type CliSettings, readSettings } from './settings.ts';

const COMMANDS = [
  startCommand,
  upCommand,
  downCommand,
  demoCommand,
  statusCommand,
  kubeconfigCommand,
  imagesCommand,
  kubeInjectCommand,
  validateCommand,
  analyzeCommand,
  proxyStatusCommand,
  proxyConfigCommand,
  applyCommand,
  getCommand,
  deleteCommand,
  logsCommand,
  controlPlaneCommand,
  proxyCommand,
  versionCommand,
];

/** Runs one command line (without the program's name); gives the exit code. 64: the command line itself is wrong. */
export function runProgram(args: string[], settings: CliSettings = readSettings()): Promise<number> {
  return runCommandLine(args, settings, { commands: COMMANDS.map((create) => create(settings)), hidden: notYetCommands() });
}
