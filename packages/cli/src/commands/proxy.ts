import { appendFile } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createLogger, LOG_LEVELS, type LogLevel, systemClock } from '@lateen/base';
import type { BootstrapSettings } from '@lateen/proxy';
import { Command, InvalidArgumentError, Option } from 'commander';
import { compactWhenIdle } from '../machine/compact-when-idle.ts';
import { untilSignalled } from '../machine/until-signalled.ts';
import type { CliSettings } from '../settings.ts';

type Options = { configPath: string; logLevel: LogLevel; drainTimeS: string; concurrency: number };

/** `lateen proxy`: the data plane alone, from an Envoy-shaped bootstrap. */
export function proxyCommand(settings: CliSettings): Command {
  return new Command('proxy')
    .description('run the data plane alone, from an Envoy bootstrap (static resources, xDS, files)')
    .requiredOption('-c, --config-path <file>', 'bootstrap file, YAML or JSON')
    .addOption(new Option('-l, --log-level <level>', 'log level').choices(LOG_LEVELS).default('info'))
    .option('--drain-time-s <seconds>', 'how long connections may take to end when the process must stop', '5')
    .option('--concurrency <threads>', 'threads that share the listening ports; 0: one for each CPU', parseThreads, 1)
    .addHelpText(
      'after',
      `\nExample:\n  ${settings.programName} proxy -c bootstrap.yaml\n  curl localhost:9901/config_dump   # on the bootstrap's admin address`,
    )
    .action(async ({ configPath, logLevel, drainTimeS, concurrency }: Options) => {
      const { runProxy } = await import('@lateen/proxy');
      const logger = createLogger({ level: logLevel });
      const drainMs = Number(drainTimeS) * 1000;
      const running = await runProxy({
        bootstrap: await readBootstrapFile(configPath),
        logger,
        logLevel,
        appendLog,
        drainMs,
        concurrency: concurrency || availableParallelism(),
        environment: process.env,
      });
      const compaction = compactWhenIdle({ clock: systemClock, isStarted: () => running.state() === 'LIVE' });
      await Promise.race([untilSignalled(), running.quit]);
      compaction.close();
      running.drainListeners({ skipExit: true });
      // The second signal ends the process.
      await running.shutDown({ kind: 'when_idle', minimumMs: 0, limitMs: drainMs });
      await running.close();
    });
}

// Apart from the action, which would keep the text for as long as the proxy runs.
async function readBootstrapFile(path: string): Promise<BootstrapSettings> {
  const [{ parseBootstrap }, { readManifestFiles }] = await Promise.all([
    import('@lateen/proxy/bootstrap'),
    import('../objects/manifest-files.ts'),
  ]);
  const text = readManifestFiles([path])
    .map((file) => file.text)
    .join('');
  return parseBootstrap(text, path);
}

function parseThreads(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('a number from 0 to 999 is expected');
  return Number(text);
}

// "/dev/stdout" is opened by path nowhere: behind a pipe that belongs to somebody else it cannot be.
function appendLog(path: string, text: string): void {
  if (path === '/dev/stdout') process.stdout.write(text);
  else if (path === '/dev/stderr') process.stderr.write(text);
  else appendFile(path, text, (error) => void (error && process.stderr.write(`cannot write the access log ${path}: ${error.message}\n`)));
}
