// The command tree. Each command is one file in commands/ that declares its flags; what it needs to run is imported only when
// it runs, so that `--help` and completion stay quick.

import { Command, CommanderError } from 'commander';
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
import { printError } from './output/errors.ts';
import { type CliSettings, readSettings } from './settings.ts';

/** A command that asks for an exit code other than 1 throws this after it has said why. */
export class ExitCode extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Runs one command line (without the program's name); gives the exit code. 64: the command line itself is wrong. */
export async function runProgram(args: string[], settings: CliSettings = readSettings()): Promise<number> {
  const program = createProgram(settings);
  try {
    await program.parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
    if (error instanceof ExitCode) return error.exitCode;
    printError(error, settings);
    return 1;
  }
}

function createProgram(settings: CliSettings): Command {
  const program = new Command(settings.programName)
    .description("A service mesh that speaks Istio's API: one command on a laptop, Istio's own YAML and tutorials unchanged.")
    .exitOverride()
    .showHelpAfterError(`(see ${settings.programName} --help)`)
    .showSuggestionAfterError();
  const commands = [
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
  for (const create of commands) program.addCommand(inheritParsing(create(settings), program));
  for (const command of notYetCommands()) program.addCommand(inheritParsing(command, program), { hidden: true });
  return program;
}

function inheritParsing(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheritParsing(child, command);
  return command;
}
