// `apply`, `get`, `delete`, `logs`: for people without kubectl. With kubectl at hand, use kubectl.

import { CodedError } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { KubeObject, Table } from '@lateen/kube/types';
import { Command } from 'commander';
import { connect, connectionOptions, namespaceOption } from '../objects/connection.ts';
import type { KnownResource } from '../objects/discovery.ts';
import { outputOption, renderStructured } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import type { CliSettings } from '../settings.ts';

type Common = { kubeconfig?: string; context?: string; namespace?: string };
type FileOptions = Common & { filename: string[]; recursive?: boolean };

const collect = (value: string, all: string[]): string[] => [...all, value];

function withConnection(command: Command, options = connectionOptions()): Command {
  for (const option of options) command.addOption(option);
  return command.addOption(namespaceOption());
}

/** Parses the files into objects, each with the resource that stores it and its namespace filled in. */
async function loadObjects(options: FileOptions, client: KubeClient, namespace: string) {
  const { readManifestFiles } = await import('../objects/manifest-files.ts');
  const { discoverResources, resourceOfKind } = await import('../objects/discovery.ts');
  const { parseManifestsStrict } = await import('@lateen/kube');
  const { groupVersionKindOf } = await import('@lateen/kube/types');
  const resources = await discoverResources(client);
  return readManifestFiles(options.filename, options).flatMap(({ file, text }) =>
    parseManifestsStrict(text, { file }).map(({ object }) => {
      const resource = resourceOfKind(resources, groupVersionKindOf(object));
      if (resource.namespaced) object.metadata.namespace ??= namespace;
      return { object, resource };
    }),
  );
}

const nameOf = (resource: KnownResource, name: string): string =>
  `${resource.singular || resource.kind.toLowerCase()}${resource.group ? `.${resource.group}` : ''}/${name}`;

/** `apply -f`: server-side apply. */
export function applyCommand(settings: CliSettings): Command {
  return withConnection(new Command('apply'))
    .description('create or change objects from files (server-side apply)')
    .requiredOption('-f, --filename <file>', 'file, folder, or - for standard input; may be given more than once', collect, [])
    .option('-R, --recursive', 'go down into folders')
    .option('--dry-run', 'let the server check everything and store nothing')
    .action(async (options: FileOptions & { dryRun?: boolean }) => {
      const connection = connect(options, settings);
      try {
        for (const { object, resource } of await loadObjects(options, connection.client, connection.namespace)) {
          const before = await current(connection.client, resource, object);
          const dryRun = options.dryRun === true;
          const after = await connection.client.apply(resource, object, { force: true, dryRun, fieldValidation: 'Strict' });
          const verb = !before
            ? 'created'
            : before.metadata.resourceVersion === after.metadata.resourceVersion
              ? 'unchanged'
              : 'configured';
          process.stdout.write(`${nameOf(resource, after.metadata.name)} ${verb}${dryRun ? ' (dry run)' : ''}\n`);
        }
      } finally {
        await connection.close();
      }
    });
}

async function current(client: KubeClient, resource: KnownResource, object: KubeObject): Promise<KubeObject | undefined> {
  const { isNotFound } = await import('@lateen/kube');
  const target = {
    name: object.metadata.name,
    ...(object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
  };
  try {
    return await client.get(resource, target);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** `get TYPE [NAME...]`. */
export function getCommand(settings: CliSettings): Command {
  return withConnection(new Command('get'))
    .description('list objects')
    .argument('<type>', 'resource type, e.g. pods, svc, virtualservices')
    .argument('[name...]', 'only these')
    .option('-A, --all-namespaces', 'in every namespace')
    .option('-l, --selector <selector>', 'label selector')
    .addOption(outputOption(['wide', 'name']))
    .action(async (type: string, names: string[], options: Common & { allNamespaces?: boolean; selector?: string; output?: string }) => {
      const connection = connect(options, settings);
      const { client } = connection;
      try {
        const { discoverResources, findResource } = await import('../objects/discovery.ts');
        const resource = findResource(await discoverResources(client), type);
        const namespace = options.allNamespaces ? undefined : connection.namespace;
        const selection = { resource, namespace, names, selector: options.selector };
        if (options.output === undefined || options.output === 'wide') {
          process.stdout.write(await renderObjects(client, selection, options.output === 'wide'));
          return;
        }
        const items = await listObjects(client, selection);
        if (options.output === 'name') process.stdout.write(items.map((item) => `${nameOf(resource, item.metadata.name)}\n`).join(''));
        else {
          const value = names.length === 1 && items.length === 1 ? items[0] : { apiVersion: 'v1', kind: 'List', metadata: {}, items };
          process.stdout.write(await renderStructured(value, options.output));
        }
      } finally {
        await connection.close();
      }
    });
}

type Selection = { resource: KnownResource; namespace: string | undefined; names: string[]; selector: string | undefined };

async function listObjects(client: KubeClient, { resource, namespace, names, selector }: Selection): Promise<KubeObject[]> {
  const scope = namespace === undefined ? {} : { namespace };
  if (names.length > 0) return Promise.all(names.map((name) => client.get(resource, { ...scope, name })));
  return (await client.listAll(resource, { ...scope, ...(selector === undefined ? {} : { labelSelector: selector }) })).items;
}

async function renderObjects(client: KubeClient, selection: Selection, isWide: boolean): Promise<string> {
  const { resourcePath } = await import('@lateen/kube');
  const { resource, namespace, names, selector } = selection;
  const scope = namespace === undefined ? {} : { namespace };
  const paths = names.length > 0 ? names.map((name) => resourcePath(resource, { ...scope, name })) : [resourcePath(resource, scope)];
  const tables = await Promise.all(
    paths.map((path) =>
      client.requestJson<Table>({
        method: 'GET',
        path,
        query: { labelSelector: selector },
        headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' },
      }),
    ),
  );
  const columns = tables[0]?.columnDefinitions ?? [];
  const shown = columns.flatMap((column, index) => (isWide || column.priority === 0 ? [index] : []));
  const rows = tables.flatMap((table) => table.rows);
  if (rows.length === 0) {
    process.stderr.write(
      namespace === undefined || !resource.namespaced ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`,
    );
    return '';
  }
  const withNamespace = namespace === undefined && resource.namespaced;
  const header = shown.map((index) => (columns[index]?.name ?? '').toUpperCase());
  return renderTable(
    withNamespace ? ['NAMESPACE', ...header] : header,
    rows.map((row) => {
      const cells = shown.map((index) => String(row.cells[index] ?? ''));
      return withNamespace ? [(row.object as KubeObject | undefined)?.metadata.namespace ?? '', ...cells] : cells;
    }),
  );
}

/** `delete TYPE NAME...` or `delete -f`. */
export function deleteCommand(settings: CliSettings): Command {
  return withConnection(new Command('delete'))
    .description('delete objects by type and name, or those in files')
    .argument('[type]', 'resource type')
    .argument('[name...]', 'names')
    .option('-f, --filename <file>', 'file, folder, or -; may be given more than once', collect, [])
    .option('-R, --recursive', 'go down into folders')
    .action(async (type: string | undefined, names: string[], options: FileOptions) => {
      const connection = connect(options, settings);
      const { client, namespace } = connection;
      try {
        const { discoverResources, findResource } = await import('../objects/discovery.ts');
        const targets =
          type === undefined
            ? (await loadObjects(options, client, namespace)).map(({ object, resource }) => ({
                resource,
                name: object.metadata.name,
                namespace: object.metadata.namespace ?? namespace,
              }))
            : await discoverResources(client).then((resources) =>
                names.map((name) => ({ resource: findResource(resources, type), name, namespace })),
              );
        if (targets.length === 0)
          throw new CodedError({ code: 'LAT7304', what: 'nothing to delete was named', fix: 'give a type and names, or -f FILE' });
        for (const target of targets) {
          await client.delete(target.resource, target, { propagationPolicy: 'Background' });
          process.stdout.write(`${nameOf(target.resource, target.name)} deleted\n`);
        }
      } finally {
        await connection.close();
      }
    });
}

/** `logs POD`. */
export function logsCommand(settings: CliSettings): Command {
  // Here -c is the container, as in kubectl; elsewhere it is istioctl's short form of --kubeconfig.
  return withConnection(new Command('logs'), connectionOptions({ shortKubeconfig: false }))
    .description("print a container's log")
    .argument('<pod>', 'POD or deployment/NAME')
    .option('-c, --container <name>', 'container (default: the annotated or first one)')
    .option('-f, --follow', 'go on as lines come')
    .option('-p, --previous', 'of the run before the last restart')
    .option('--tail <lines>', 'only the last lines')
    .action(async (pod: string, options: Common & { container?: string; follow?: boolean; previous?: boolean; tail?: string }) => {
      const connection = connect(options, settings);
      try {
        const { kubeErrorOf, readBody } = await import('@lateen/kube');
        const { resolvePodTarget } = await import('../objects/pod-target.ts');
        const { namespace, name } = await resolvePodTarget(connection.client, pod, connection.namespace);
        const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log`;
        const query = {
          container: options.container,
          follow: options.follow ? 'true' : undefined,
          previous: options.previous ? 'true' : undefined,
          tailLines: options.tail,
        };
        const response = await connection.client.transport.request({ method: 'GET', path, query });
        if (response.status >= 300) throw kubeErrorOf(response.status, await readBody(response.body), `GET ${path}`);
        for await (const chunk of response.body) process.stdout.write(chunk);
      } finally {
        await connection.close();
      }
    });
}
