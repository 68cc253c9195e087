import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { outputOption, renderStructured } from '../output/format.ts';
import type { CliSettings } from '../settings.ts';

/** `version`: of this program. */
export function versionCommand(settings: CliSettings): Command {
  return new Command('version')
    .description('print the version of this program')
    .addOption(outputOption())
    .option('-s, --short', 'only the version number')
    .action(async (options: { output?: string; short?: boolean }) => {
      const { version } = JSON.parse(readFileSync(join(settings.checkout, 'package.json'), 'utf8')) as { version: string };
      const value = { clientVersion: { version, nodeVersion: process.version, platform: `${process.platform}/${process.arch}` } };
      if (options.output) process.stdout.write(await renderStructured(value, options.output));
      else if (options.short) process.stdout.write(`${version}\n`);
      else process.stdout.write(`client version: ${version}\n`);
    });
}
