// `validate` and `analyze`: what is wrong with objects, from files alone or with those of a cluster beside them.

import type { Finding } from '@lateen/api';
import { type Clock, systemClock } from '@lateen/base';
import type { Manifest } from '@lateen/kube';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AnalyzeOptions } from '../analyze/run-analyze.ts';
import { connectionOptions, namespaceOption } from '../objects/connection.ts';
import { outputOption, renderStructured } from '../output/format.ts';
import { ExitCode } from '../run-command-line.ts';
import type { CliSettings } from '../settings.ts';

const collect = (value: string, all: string[]): string[] => [...all, value];
const collectNames = (value: string, all: string[]): string[] => [...all, ...value.split(',')];

type ValidateOptions = { filename: string[]; recursive?: boolean; output?: string };

/** `validate -f`: schema and rules of each object by itself. */
export function validateCommand(_settings: CliSettings): Command {
  return new Command('validate')
    .alias('v')
    .description('check Istio objects in files, without a cluster')
    .addOption(
      new Option('-f, --filename <file>', 'file, folder, or - for standard input; may be given more than once')
        .argParser(collectNames)
        .default([], 'none'),
    )
    .option('-R, --recursive', 'go down into folders')
    .option('-x, --referential', 'accepted for compatibility; see analyze for references')
    .addOption(outputOption())
    .allowExcessArguments(false)
    .action(runValidate);
}

async function runValidate({ filename, recursive, output }: ValidateOptions): Promise<void> {
  if (filename.length === 0) {
    process.stderr.write('Error: you must specify resources by --filename, e.g. -f resource.yaml, -f folder/ or -f -\n');
    throw new ExitCode(1);
  }
  const { validateResource } = await import('@lateen/api');
  const { loadManifests } = await import('../analyze/load-manifests.ts');
  const { validateKubernetesObject } = await import('../analyze/kubernetes-objects.ts');
  const { errorLine, messageOfFinding, messageOfProblem, renderErrors, renderFinding, renderRepairs } = await import(
    '../analyze/messages.ts'
  );
  const loaded = loadManifests(filename, recursive ? { recursive } : {});
  const { manifests, problems } = loaded;
  const findings = manifests.flatMap((manifest) =>
    placed([...validateResource(manifest.object), ...validateKubernetesObject(manifest.object)], manifest),
  );
  const errors = findings.filter(({ level }) => level === 'error');
  if (output) {
    process.stdout.write(await renderStructured([...problems.map(messageOfProblem), ...findings.map(messageOfFinding)], output));
  } else {
    for (const finding of findings) if (finding.level !== 'error') process.stderr.write(renderFinding(finding));
    const lines = [...problems.map(({ message, fix }) => `${message}${fix ? ` (${fix})` : ''}`), ...errors.map(errorLine)];
    if (lines.length > 0) process.stderr.write(`${renderErrors(lines)}${renderRepairs(loaded)}`);
    const broken = new Set([...errors.map(({ resource }) => resource?.file), ...problems.map(({ file }) => file)]);
    for (const file of new Set(manifests.map((manifest) => manifest.file)))
      if (!broken.has(file)) process.stdout.write(`"${file}" is valid\n`);
  }
  if (errors.length > 0 || problems.length > 0) throw new ExitCode(1);
}

/** Findings of one manifest with the file and line they are at. */
function placed(findings: Finding[], manifest: Manifest): Finding[] {
  return findings.map((finding) => ({
    ...finding,
    line: manifest.lineOf(pathSegments(finding.path)),
    ...(finding.resource ? { resource: { ...finding.resource, file: manifest.file } } : {}),
  }));
}

const pathSegments = (path: string): (string | number)[] =>
  [...path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, name, index]) => (index === undefined ? (name as string) : Number(index)));

const LEVELS = ['Info', 'Warning', 'Error'];

function levelOption(flags: string, description: string, fallback: string): Option {
  const parse = (value: string): string => {
    const level = LEVELS.find((name) => name.toLowerCase() === value.toLowerCase());
    if (!level) throw new InvalidArgumentError(`Allowed choices are ${LEVELS.join(', ')}.`);
    return level;
  };
  return new Option(flags, `${description} (Info, Warning, Error)`).argParser(parse).default(fallback);
}

/** `analyze [files]`: findings across objects. `clock` says whether certificates have expired. */
export function analyzeCommand(settings: CliSettings, clock: Clock = systemClock): Command {
  const command = new Command('analyze')
    .description('find mistakes across objects: in files, in the cluster, or in files as if they were applied to it')
    .argument('[file...]', 'files, folders, or -')
    .option('-A, --all-namespaces [yes]', 'objects of every namespace')
    .option('-k, --use-kube [yes]', 'with the objects of the cluster (default: when there is one)')
    .option('-R, --recursive [yes]', 'go down into folders')
    .option(
      '-S, --suppress <code=resource>',
      'leave out findings, e.g. "IST0102=Namespace default" or "IST0103=Pod *.testing"; may be given more than once',
      collect,
      [],
    )
    .option('-L, --list-analyzers [yes]', 'list what is looked for')
    .option('--ignore-unknown [yes]', 'do not fail for documents that cannot be read')
    .option('--meshConfigFile <file>', 'MeshConfig to go by, instead of that of the objects')
    .option('--color [yes]', 'accepted for compatibility; there are no colors')
    .addOption(levelOption('--failure-threshold <level>', 'exit with 79 from this level on', 'Error'))
    .addOption(levelOption('--output-threshold <level>', 'print from this level on', 'Info'))
    .addOption(outputOption(['log']));
  for (const option of connectionOptions()) command.addOption(option);
  return command.addOption(namespaceOption()).action(async (files: string[], given: Record<string, unknown>) => {
    const { runAnalyze } = await import('../analyze/run-analyze.ts');
    const { names, options } = switches(files, given);
    await runAnalyze(names, options, { settings, clock });
  });
}

const SWITCHES = ['allNamespaces', 'useKube', 'recursive', 'listAnalyzers', 'ignoreUnknown', 'color'];

// istioctl's switches take a value only after "=": in `-k a.yaml` the word is a file.
function switches(files: string[], given: Record<string, unknown>): { names: string[]; options: AnalyzeOptions } {
  const options = { ...given };
  const names = [...files];
  for (const name of SWITCHES) {
    const value = options[name];
    if (typeof value !== 'string') continue;
    const isWord = /^(true|false|t|f|1|0)$/i.test(value);
    if (!isWord) names.unshift(value);
    options[name] = !isWord || /^(true|t|1)$/i.test(value);
  }
  return { names, options: options as AnalyzeOptions };
}
