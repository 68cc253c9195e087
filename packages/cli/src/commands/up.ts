// `lateen up` and `lateen start`. This process stays on the host's side and stays small: it holds the lock, starts the node
// process, prints what that reports, and takes everything down again.

import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Demo } from '../machine/demos.ts';
import { outliveReader } from '../output/closed-output.ts';
import type { CliSettings } from '../settings.ts';
import { catalogueFiles } from './images.ts';
import { pathsOf, stateDirOption } from './state-option.ts';

export type UpOptions = {
  stateDir: string;
  network: 'auto' | 'root' | 'rootless' | 'proxy';
  detach?: boolean;
  images: string[];
  apiPort: number;
  httpPort?: number;
  demo?: Demo;
};

const portNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new InvalidArgumentError('not a port');
  return value;
};

function withUpOptions(command: Command, settings: CliSettings): Command {
  return command
    .addOption(stateDirOption(settings))
    .addOption(
      new Option('--network <rung>', 'how pods get their network: in namespaces as root or rootless, or without any (proxy)')
        .choices(['auto', 'root', 'rootless', 'proxy'])
        .default('auto'),
    )
    .option('--detach', 'return when everything is ready, and go on in the background')
    .option(
      '--images <file>',
      'a catalogue file of your own images; may be given more than once',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--api-port <port>', 'port of the API server on 127.0.0.1 (0: the last one again, or any)', portNumber, 0)
    .option('--http-port <port>', "port of the ingress gateway's plain HTTP (default: 80 where it can be bound, else 8080)", portNumber);
}

/** `lateen up`: the mesh without a sample. */
export function upCommand(settings: CliSettings): Command {
  return withUpOptions(new Command('up'), settings)
    .description('start the mesh on this machine: Kubernetes API, control plane, ingress gateway')
    .action(async (options: UpOptions) => runUp(options, settings));
}

/** `lateen start`: what `npm start` runs. */
export function startCommand(settings: CliSettings): Command {
  return withUpOptions(new Command('start'), settings)
    .description('start the mesh with the Bookinfo sample, ready to open in a browser')
    .action(async (options: UpOptions) => runUp({ ...options, demo: 'bookinfo' }, settings));
}

async function runUp(options: UpOptions, settings: CliSettings): Promise<void> {
  outliveReader();
  const { runDetached } = await import('../machine/detach.ts');
  const { runMachine } = await import('../machine/run-machine.ts');
  const paths = pathsOf(options);
  if (options.detach) return runDetached({ paths, settings, demo: options.demo });
  await runMachine({
    paths,
    settings,
    requestedNetwork: options.network,
    catalogueFiles: [...catalogueFiles(settings), ...options.images],
    samples: join(settings.checkout, 'samples'),
    apiPort: options.apiPort,
    httpPort: options.httpPort,
    demo: options.demo,
  });
}
