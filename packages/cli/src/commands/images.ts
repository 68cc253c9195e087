import { join } from 'node:path';
import { Command } from 'commander';
import { outputOption, renderStructured } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import type { CliSettings } from '../settings.ts';

/** Catalogue files of the checkout; more come with `up --images`. */
export function catalogueFiles(settings: CliSettings): string[] {
  return [join(settings.checkout, 'packages/cli/catalogue.yaml'), join(settings.checkout, 'samples/catalogue.yaml')];
}

/** `lateen images`: what image names mean on this machine. */
export function imagesCommand(settings: CliSettings): Command {
  return new Command('images')
    .description('list the images that pods can use here: there is no container runtime, a name stands for a local command')
    .option(
      '--images <file>',
      'a catalogue file of your own; may be given more than once',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the catalogue's own variable, shown as people write it
      '\nA catalogue file is a YAML list; one line adds an image:\n  - { image: my-app, entrypoint: ["python3", "${here}/app.py"], description: my app }',
    )
    .action(async (options: { images: string[]; output?: string }) => {
      const { createImageCatalogue } = await import('@lateen/cluster/node');
      const catalogue = createImageCatalogue([...catalogueFiles(settings), ...options.images]);
      const entries = catalogue.entries().map(({ entry, source }) => ({ ...entry, file: source }));
      if (options.output) return void process.stdout.write(await renderStructured(entries, options.output));
      const rows = entries.map((entry) => [
        entry.image,
        entry.description,
        entry.builtin ? '(in process)' : [...(entry.entrypoint ?? []), ...(entry.cmd ?? [])].join(' '),
      ]);
      process.stdout.write(renderTable(['IMAGE', 'DESCRIPTION', 'COMMAND'], rows));
    });
}
