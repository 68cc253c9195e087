// Runs a command line against a set of commands: parsing, errors, exit codes.

import { Command, CommanderError } from 'commander';
import { endWithReader } from './output/closed-output.ts';
import { printError } from './output/errors.ts';
import type { CliSettings } from './settings.ts';

/** A command that asks for an exit code other than 1 throws this after it has said why. */
export class ExitCode extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

export type CommandSet = {
  commands: readonly Command[];
  /** Understood, but not in the help. */
  hidden?: readonly Command[];
};

/** Runs one command line (without the program's name); gives the exit code. 64: the command line itself is wrong. */
export async function runCommandLine(args: string[], settings: CliSettings, set: CommandSet): Promise<number> {
  endWithReader();
  const program = createProgram(settings, set);
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

function createProgram(settings: CliSettings, { commands, hidden = [] }: CommandSet): Command {
  const program = new Command(settings.programName)
    .description("A service mesh that speaks Istio's API: one command on a laptop, Istio's own YAML and tutorials unchanged.")
    .exitOverride()
    .showHelpAfterError(`(see ${settings.programName} --help)`)
    .showSuggestionAfterError();
  for (const command of commands) program.addCommand(inheritParsing(command, program));
  for (const command of hidden) program.addCommand(inheritParsing(command, program), { hidden: true });
  return program;
}

function inheritParsing(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheritParsing(child, command);
  return command;
}
