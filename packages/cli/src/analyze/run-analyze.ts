// `analyze`: files, the objects of a cluster, or files as if they were applied to it.

import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { CATALOGUE, catalogueEntry, type Finding } from '@lateen/api';
import { defaultMeshConfig, type EffectiveMeshConfig, parseMeshConfig } from '@lateen/api/mesh-config';
import { type Clock, CodedError, messageOf } from '@lateen/base';
import type { Manifest } from '@lateen/kube';
import type { KubeObject } from '@lateen/kube/types';
import { analyze } from '@lateen/mesh/analyze';
import { readManifestFiles } from '../objects/manifest-files.ts';
import { renderStructured } from '../output/format.ts';
import { ExitCode } from '../run-command-line.ts';
import type { CliSettings } from '../settings.ts';
import { clusterObjects } from './cluster-objects.ts';
import { type Loaded, loadManifests } from './load-manifests.ts';
import { DOCUMENTATION_URL, messageOfFinding, messageOfProblem, renderErrors, renderFinding, renderRepairs } from './messages.ts';

/** istioctl's exit codes. */
const EXIT_FINDINGS = 79;
const EXIT_BAD_DATA = 65;
const EXTENSIONS = ['.json', '.yaml', '.yml'];
const LEVELS = ['info', 'warning', 'error'];

export type AnalyzeOptions = {
  kubeconfig?: string;
  context?: string;
  namespace?: string;
  allNamespaces?: boolean;
  /** Undefined: with the cluster when there is one. */
  useKube?: boolean;
  recursive?: boolean;
  suppress: string[];
  /** Info, Warning or Error. */
  failureThreshold: string;
  outputThreshold: string;
  output?: string;
  listAnalyzers?: boolean;
  ignoreUnknown?: boolean;
  meshConfigFile?: string;
};

/** Prints the findings; throws ExitCode 79 for findings, 65 for files that cannot be read. */
export async function runAnalyze(
  files: string[],
  options: AnalyzeOptions,
  { settings, clock }: { settings: CliSettings; clock: Clock },
): Promise<void> {
  if (options.listAnalyzers) return void process.stdout.write(analyzersText());
  checkSuppressions(options.suppress);
  const loaded = loadManifests(files.filter(isManifestFile), options.recursive ? { recursive: true } : {});
  const cluster = await objectsOfCluster(files, options, settings);
  const namespace = options.namespace ?? cluster?.namespace ?? 'default';
  if (cluster && !options.allNamespaces && !hasNamespace(cluster.objects, namespace)) {
    process.stderr.write(`namespace ${JSON.stringify(namespace)} not found\n`);
    return;
  }
  const findings = analyze({
    objects: [
      ...withoutReplaced(cluster?.objects ?? [], loaded.manifests).map((object) => ({ object })),
      ...loaded.manifests.map(({ object, file, line, lineOf }) => ({ object, source: { file, line, lineOf } })),
    ],
    defaultNamespace: namespace,
    suppress: options.suppress,
    now: clock.now(),
    assumeIngressGateway: !cluster,
    ...(options.meshConfigFile === undefined ? {} : { meshConfig: readMeshConfig(options.meshConfigFile) }),
  });
  // Files are always looked at as a whole; of a cluster, its own namespace.
  const inScope = ({ resource }: Finding): boolean =>
    !cluster || options.allNamespaces === true || !resource?.namespace || resource.namespace === namespace || resource.file !== undefined;
  const target = options.allNamespaces ? 'all namespaces' : `namespace: ${namespace}`;
  await report({ findings: findings.filter(inScope), loaded, target }, options);
}

type Outcome = { findings: Finding[]; loaded: Loaded; target: string };

async function report({ findings, loaded, target }: Outcome, options: AnalyzeOptions): Promise<void> {
  const shown = findings.filter(atLeast(options.outputThreshold));
  if (options.output === 'json' || options.output === 'yaml') {
    // As with istioctl, the exit code is for people who read lines.
    const messages = [...loaded.problems.map(messageOfProblem), ...shown.map(messageOfFinding)];
    process.stdout.write(await renderStructured(messages, options.output));
    return;
  }
  for (const finding of shown) process.stdout.write(renderFinding(finding));
  if (loaded.problems.length > 0) {
    const lines = loaded.problems.map(({ message, fix }) => `${message}${fix ? ` (${fix})` : ''}`);
    process.stderr.write(renderErrors(lines, 'Error(s) adding files: '));
    process.stderr.write(renderRepairs(loaded));
  }
  if (shown.length === 0) {
    const files = [...new Set(loaded.manifests.map(({ file }) => file))];
    const unread = loaded.problems.length;
    process.stderr.write(
      unread === 0
        ? `\u2714 No validation issues found when analyzing ${files.length > 0 ? files.join('\n') : target}.\n`
        : `No validation issues found when analyzing ${target} (but ${unread} document${unread === 1 ? '' : 's'} could not be parsed).\n`,
    );
  }
  if (findings.some(atLeast(options.failureThreshold))) {
    process.stderr.write(`Error: Analyzers found issues when analyzing ${target}.\n`);
    process.stderr.write(`See ${DOCUMENTATION_URL} for more information about causes and resolutions.\n`);
    throw new ExitCode(EXIT_FINDINGS);
  }
  if (loaded.problems.length > 0 && !options.ignoreUnknown) {
    process.stderr.write("Error: Some files couldn't be parsed.\n");
    throw new ExitCode(EXIT_BAD_DATA);
  }
}

const atLeast =
  (threshold: string) =>
  ({ level }: Finding): boolean =>
    LEVELS.indexOf(level) >= LEVELS.indexOf(threshold.toLowerCase());

function analyzersText(): string {
  return CATALOGUE.filter(({ retired, notRaised }) => !retired && !notRaised)
    .map(({ code, name, level, summary }) => `* ${code} ${name} (${level}):\n    ${summary}\n`)
    .join('');
}

function checkSuppressions(suppress: string[]): void {
  for (const text of suppress) {
    const [code = '', name, ...more] = text.split('=');
    if (name === undefined || more.length > 0) {
      throw new CodedError({
        code: 'LAT7308',
        what: `${JSON.stringify(text)} is not a valid suppression value`,
        fix: 'write CODE=Kind name.namespace, e.g. -S "IST0103=Pod *.testing"',
      });
    }
    if (!catalogueEntry(code))
      process.stderr.write(`Warning: Supplied message code '${code}' is an unknown message code and will not have any effect.\n`);
  }
}

function isManifestFile(name: string): boolean {
  if (name === '-' || EXTENSIONS.includes(extname(name)) || statSync(name, { throwIfNoEntry: false })?.isFile() !== true) return true;
  process.stderr.write(`Skipping file ${name}, recognized file extensions are: [${EXTENSIONS.join(' ')}]\n`);
  return false;
}

// Without the flag a cluster is used when there is one: files alone must do on a machine without.
async function objectsOfCluster(files: string[], options: AnalyzeOptions, settings: CliSettings) {
  if (options.useKube === false) return undefined;
  try {
    return await clusterObjects(options, settings);
  } catch (error) {
    if (options.useKube || files.length === 0) throw error;
    process.stderr.write(`No cluster to look at, so the files are analyzed alone (${messageOf(error)}).\n`);
    return undefined;
  }
}

const hasNamespace = (objects: KubeObject[], name: string): boolean =>
  objects.some(({ kind, metadata }) => kind === 'Namespace' && metadata.name === name);

/** What a file gives anew does not count twice. */
function withoutReplaced(objects: KubeObject[], manifests: Manifest[]): KubeObject[] {
  const key = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.namespace ?? 'default'}/${metadata.name}`;
  const replaced = new Set(manifests.map(({ object }) => key(object)));
  return objects.filter((object) => !replaced.has(key(object)));
}

function readMeshConfig(file: string): EffectiveMeshConfig {
  const [first] = readManifestFiles([file]);
  const { config, findings } = parseMeshConfig(first?.text ?? '', defaultMeshConfig());
  for (const { path, message } of findings) process.stderr.write(`${file}: ${path}: ${message}\n`);
  return config;
}
