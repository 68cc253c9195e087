import { appendFile } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { CodedError, createLogger, LOG_LEVELS, type LogLevel, type SocketAddress, systemClock } from '@lateen/base';
import type { BootstrapSettings } from '@lateen/proxy';
import { Command, InvalidArgumentError, Option } from 'commander';
import { compactWhenIdle } from '../machine/compact-when-idle.ts';
import { untilSignalled } from '../machine/until-signalled.ts';
import { outliveReader } from '../output/closed-output.ts';
import type { CliSettings } from '../settings.ts';

type Options = {
  configPath?: string;
  configYaml?: string;
  mode: 'serve' | 'validate';
  logLevel: LogLevel;
  drainTimeS: number;
  concurrency: number;
  serviceNode?: string;
  serviceCluster?: string;
  serviceZone?: string;
  adminAddressPath?: string;
};

/** Envoy's names for levels of ours. */
const ENVOY_LOG_LEVELS: Readonly<Record<string, LogLevel>> = { trace: 'debug', warning: 'warn', critical: 'error', off: 'none' };

/** `lateen proxy`: the data plane alone, from an Envoy-shaped bootstrap. */
export function proxyCommand(settings: CliSettings): Command {
  return new Command('proxy')
    .description('run the data plane alone, from an Envoy bootstrap (static resources, xDS, files)')
    .option('-c, --config-path <file>', 'bootstrap file, YAML or JSON')
    .option('--config-yaml <text>', 'bootstrap as text, merged into the file where there is one')
    .addOption(
      new Option('--mode <mode>', '"validate" compiles the bootstrap, says what is wrong with it, and ends')
        .choices(['serve', 'validate'])
        .default('serve'),
    )
    .addOption(
      new Option('-l, --log-level <level>', `log level: ${LOG_LEVELS.join(', ')}, or as Envoy calls them`)
        .argParser(parseLogLevel)
        .default('info'),
    )
    .option('--drain-time-s <seconds>', 'how long connections may take to end when the process must stop', parseSeconds, 5)
    .option('--concurrency <threads>', 'threads that share the listening ports; 0: one for each CPU', parseThreads, 1)
    .option('--service-node <id>', "node.id, instead of the bootstrap's")
    .option('--service-cluster <name>', "node.cluster, instead of the bootstrap's")
    .option('--service-zone <zone>', "node.locality.zone, instead of the bootstrap's")
    .option('--admin-address-path <file>', 'file to write the address of the admin interface to')
    .addHelpText(
      'after',
      `\nExamples:\n  ${settings.programName} proxy -c bootstrap.yaml --mode validate\n  ${settings.programName} proxy -c bootstrap.yaml\n  curl localhost:9901/config_dump   # on the bootstrap's admin address`,
    )
    .action(async (options: Options) => {
      const { logLevel, drainTimeS, concurrency, adminAddressPath } = options;
      const { checkBootstrap, runProxy } = await import('@lateen/proxy');
      if (options.mode === 'validate') {
        checkBootstrap(await readBootstrap(options), process.env);
        process.stdout.write(`configuration '${options.configPath ?? FROM_TEXT}' OK\n`);
        return;
      }
      outliveReader();
      const logger = createLogger({ level: logLevel });
      const drainMs = drainTimeS * 1000;
      const running = await runProxy({
        bootstrap: await readBootstrap(options),
        logger,
        logLevel,
        appendLog,
        drainMs,
        concurrency: concurrency || availableParallelism(),
        environment: process.env,
      });
      if (adminAddressPath && running.adminAddress) await writeFile(adminAddressPath, addressText(running.adminAddress));
      const compaction = compactWhenIdle({ clock: systemClock, isStarted: () => running.state() === 'LIVE' });
      await Promise.race([untilSignalled(), running.quit]);
      compaction.close();
      running.drainListeners({ skipExit: true });
      // The second signal ends the process.
      await running.shutDown({ kind: 'when_idle', minimumMs: 0, limitMs: drainMs });
      await running.close();
    });
}

const FROM_TEXT = '--config-yaml';

// Apart from the action, which would keep the text for as long as the proxy runs.
async function readBootstrap(options: Options): Promise<BootstrapSettings> {
  const { configPath, configYaml, serviceNode, serviceCluster, serviceZone } = options;
  if (configPath === undefined && configYaml === undefined) {
    throw new CodedError({
      code: 'LAT7312',
      what: 'there is no bootstrap to run from',
      fix: 'name a file with -c, or give the text with --config-yaml',
    });
  }
  const [{ parseBootstrap }, { readManifestFiles }] = await Promise.all([
    import('@lateen/proxy/bootstrap'),
    import('../objects/manifest-files.ts'),
  ]);
  const files = configPath === undefined ? [] : readManifestFiles([configPath]);
  return parseBootstrap(files.map(({ text }) => text).join(''), configPath ?? FROM_TEXT, {
    overlay: configYaml,
    nodeId: serviceNode,
    nodeCluster: serviceCluster,
    nodeZone: serviceZone,
  });
}

const addressText = ({ host, port }: SocketAddress): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

function parseLogLevel(text: string): LogLevel {
  const level = Object.hasOwn(ENVOY_LOG_LEVELS, text) ? ENVOY_LOG_LEVELS[text] : LOG_LEVELS.find((one) => one === text);
  if (!level) throw new InvalidArgumentError(`one of ${[...LOG_LEVELS, ...Object.keys(ENVOY_LOG_LEVELS)].join(', ')} is expected`);
  return level;
}

function parseSeconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('a whole number of seconds is expected');
  return Number(text);
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
