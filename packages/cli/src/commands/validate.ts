// `validate` and `analyze`: what is wrong with objects, from files alone or with those of a cluster beside them.

import type { Finding, FindingLevel } from '@lateen/api';
import type { Manifest } from '@lateen/kube';
import type { KubeObject } from '@lateen/kube/types';
import { Command, Option } from 'commander';
import { connect, connectionOptions, namespaceOption } from '../objects/connection.ts';
import { outputOption, renderStructured } from '../output/format.ts';
import { ExitCode } from '../program.ts';
import type { CliSettings } from '../settings.ts';

/** istioctl's exit codes of analyze. */
const EXIT_FINDINGS = 79;
const EXIT_BAD_DATA = 65;

const LEVELS: FindingLevel[] = ['info', 'warning', 'error'];
const collect = (value: string, all: string[]): string[] => [...all, value];

type Loaded = { manifests: Manifest[]; problems: string[] };

async function loadFiles(names: string[], options: { recursive?: boolean }): Promise<Loaded> {
  const { readManifestFiles } = await import('../objects/manifest-files.ts');
  const { parseManifests } = await import('@lateen/kube');
  const parsed = readManifestFiles(names, options).map(({ file, text }) => parseManifests(text, { file }));
  return {
    manifests: parsed.flatMap(({ manifests }) => manifests),
    problems: parsed.flatMap(({ errors }) => errors.map((error) => `${error.message}${error.fix ? ` (${error.fix})` : ''}`)),
  };
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

/** `validate -f`: schema and rules of each object by itself. */
export function validateCommand(_settings: CliSettings): Command {
  return new Command('validate')
    .alias('v')
    .description('check Istio objects in files, without a cluster')
    .requiredOption('-f, --filename <file>', 'file, folder, or - for standard input; may be given more than once', collect, [])
    .option('-R, --recursive', 'go down into folders')
    .option('-x, --referential', 'accepted for compatibility; see analyze for references')
    .addOption(outputOption())
    .action(async (options: { filename: string[]; recursive?: boolean; output?: string }) => {
      const { formatFinding, validateResource } = await import('@lateen/api');
      const { manifests, problems } = await loadFiles(options.filename, options);
      const findings = manifests.flatMap((manifest) => placed(validateResource(manifest.object), manifest));
      const errors = findings.filter(({ level }) => level === 'error');
      if (options.output) process.stdout.write(await renderStructured({ findings, problems }, options.output));
      else {
        for (const problem of problems) process.stderr.write(`Error: ${problem}\n`);
        for (const finding of findings) process.stderr.write(`${formatFinding(finding)}${finding.fix ? `; ${finding.fix}` : ''}\n`);
        const broken = new Set(errors.map(({ resource }) => resource?.file));
        for (const file of new Set(manifests.map((manifest) => manifest.file)))
          if (!broken.has(file)) process.stdout.write(`"${file}" is valid\n`);
      }
      if (errors.length > 0 || problems.length > 0) throw new ExitCode(1);
    });
}

type AnalyzeOptions = {
  kubeconfig?: string;
  context?: string;
  namespace?: string;
  allNamespaces?: boolean;
  useKube?: string | boolean;
  recursive?: boolean;
  suppress: string[];
  failureThreshold: string;
  outputThreshold: string;
  output?: string;
  listAnalyzers?: boolean;
};

const levelOption = (flags: string, description: string, fallback: string): Option =>
  new Option(flags, description).choices(['Info', 'Warning', 'Error']).default(fallback);

/** `analyze [files]`: findings across objects. */
export function analyzeCommand(settings: CliSettings): Command {
  const command = new Command('analyze')
    .description('find mistakes across objects: in files, in the cluster, or in files as if they were applied to it')
    .argument('[file...]', 'files, folders, or -')
    .option('-A, --all-namespaces', 'objects of every namespace')
    .option('-k, --use-kube [yes]', 'with the objects of the cluster (default: true when no file is given)')
    .option('-R, --recursive', 'go down into folders')
    .option(
      '-S, --suppress <code=resource>',
      'leave out findings, e.g. IST0102=Namespace default; may be given more than once',
      collect,
      [],
    )
    .option('-L, --list-analyzers', 'list what is looked for')
    .addOption(levelOption('--failure-threshold <level>', 'exit with 79 from this level on', 'Error'))
    .addOption(levelOption('--output-threshold <level>', 'print from this level on', 'Info'))
    .addOption(outputOption(['log']));
  for (const option of connectionOptions()) command.addOption(option);
  return command.addOption(namespaceOption()).action((files: string[], options: AnalyzeOptions) => runAnalyze(files, options, settings));
}

async function runAnalyze(files: string[], options: AnalyzeOptions, settings: CliSettings): Promise<void> {
  const { CATALOGUE, formatFinding } = await import('@lateen/api');
  if (options.listAnalyzers) {
    for (const { code, level, name } of CATALOGUE) process.stdout.write(`${code}  ${level.padEnd(8)} ${name}\n`);
    return;
  }
  const usesCluster = options.useKube === undefined ? files.length === 0 : options.useKube !== 'false';
  const { analyze } = await import('@lateen/mesh/analyze');
  const { manifests, problems } = await loadFiles(files, options);
  const cluster = usesCluster ? await clusterObjects(options, settings) : undefined;
  const findings = analyze({
    objects: [
      ...manifests.map(({ object, file, line, lineOf }) => ({ object, source: { file, line, lineOf } })),
      ...withoutReplaced(cluster?.objects ?? [], manifests).map((object) => ({ object })),
    ],
    defaultNamespace: options.namespace ?? cluster?.namespace ?? 'default',
    suppress: options.suppress,
  });
  const atLeast = (threshold: string) => (finding: Finding) =>
    LEVELS.indexOf(finding.level) >= LEVELS.indexOf(threshold.toLowerCase() as FindingLevel);
  const shown = findings.filter(atLeast(options.outputThreshold));
  if (options.output === 'json' || options.output === 'yaml') process.stdout.write(await renderStructured(shown, options.output));
  else for (const finding of shown) process.stdout.write(`${formatFinding(finding)}\n`);
  for (const problem of problems) process.stderr.write(`Error: ${problem}\n`);
  const subject =
    files.length > 0 ? files.join(', ') : options.allNamespaces ? 'all namespaces' : `namespace: ${cluster?.namespace ?? 'default'}`;
  if (problems.length > 0) throw new ExitCode(EXIT_BAD_DATA);
  if (shown.length === 0 && options.output === undefined)
    process.stdout.write(`\u2714 No validation issues found when analyzing ${subject}.\n`);
  if (findings.some(atLeast(options.failureThreshold))) {
    if (options.output === undefined) process.stderr.write(`Error: Analyzers found issues when analyzing ${subject}.\n`);
    throw new ExitCode(EXIT_FINDINGS);
  }
}

/** What a file gives anew does not count twice. */
function withoutReplaced(objects: KubeObject[], manifests: Manifest[]): KubeObject[] {
  const key = ({ kind, metadata }: KubeObject) => `${kind}/${metadata.namespace ?? 'default'}/${metadata.name}`;
  const replaced = new Set(manifests.map(({ object }) => key(object)));
  return objects.filter((object) => !replaced.has(key(object)));
}

async function clusterObjects(options: AnalyzeOptions, settings: CliSettings): Promise<{ objects: KubeObject[]; namespace: string }> {
  const { discoverResources } = await import('../objects/discovery.ts');
  const connection = connect(options, settings);
  try {
    const wanted = /(^$|^apps$|istio\.io$|^gateway\.networking|^admissionregistration)/;
    const kinds = /^(Namespace|Service|Pod|Secret|ConfigMap|Node|Deployment|MutatingWebhookConfiguration|ValidatingWebhookConfiguration)$/;
    const resources = (await discoverResources(connection.client)).filter(
      ({ group, kind }) => wanted.test(group) && (group.endsWith('istio.io') || group.startsWith('gateway') || kinds.test(kind)),
    );
    const seen = new Set<string>();
    const unique = resources.filter(({ group, resource }) => !seen.has(`${group}/${resource}`) && seen.add(`${group}/${resource}`));
    const lists = await Promise.all(unique.map((resource) => connection.client.listAll(resource)));
    return { objects: lists.flatMap(({ items }) => items), namespace: connection.namespace };
  } finally {
    await connection.close();
  }
}
