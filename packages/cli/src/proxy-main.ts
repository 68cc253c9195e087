// The entry of `lateen proxy` alone, for its bundle (tools/bundle-proxy.ts): a data plane should not hold the rest of the program.

import { proxyCommand } from './commands/proxy.ts';
import { runCommandLine } from './run-command-line.ts';
import { readSettings } from './settings.ts';

const settings = readSettings();
process.exitCode = await runCommandLine(process.argv.slice(2), settings, { commands: [proxyCommand(settings)] });
