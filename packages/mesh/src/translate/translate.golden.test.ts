// Golden pairs: testdata/<case>.in.yaml (a scope, a mesh configuration, objects) -> <case>.out.yaml (the translation as
// proto3 JSON). `npm run golden` rewrites the outputs.

import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createRegistry, type DescMessage, type Message, type Registry, toJson } from '@bufbuild/protobuf';
import { assertGolden } from '@lateen/base/testing';
import type { KubeObject } from '@lateen/kube/types';
import * as messages from '@lateen/xds/messages';
import { preserveCaseFormatter } from '@lateen/xds/messages/proxy';
import { parseAllDocuments, stringify } from 'yaml';
import { ingestAll } from '../ingest/index.ts';
import { DEFAULT_MESH_CONFIG, type MeshConfig, NO_LOCALITY } from '../model/index.ts';
import type { ProxyScope } from './scope.ts';
import { translate } from './translate.ts';

type Case = {
  scope: Pick<ProxyScope, 'type' | 'namespace' | 'labels'> & Partial<ProxyScope>;
  mesh?: Partial<MeshConfig>;
  /** Which parts to write; default all. */
  show?: ('listeners' | 'routes' | 'clusters' | 'endpoints')[];
  /** Further files of objects, relative to testdata. */
  with?: string[];
};

const testdata = new URL('testdata/', import.meta.url);
const registry = registryOf({ ...messages, preserveCaseFormatter });

for (const file of readdirSync(testdata).filter((name) => name.endsWith('.in.yaml'))) {
  const name = file.slice(0, -'.in.yaml'.length);
  test(`${name.replaceAll('-', ' ')}: the translation is the recorded one`, () => {
    const [head, ...objects] = documents(file);
    const { scope, mesh, show = ['listeners', 'routes', 'clusters', 'endpoints'], with: files = [] } = head as Case;
    const all = [...files.flatMap(documents), ...objects] as KubeObject[];
    const snapshot = ingestAll(all, { ...DEFAULT_MESH_CONFIG, ...mesh });
    const result = translate(snapshot, { locality: NO_LOCALITY, hasIstioFilters: true, ...scope });
    const schemas = {
      listeners: messages.ListenerSchema,
      routes: messages.RouteConfigurationSchema,
      clusters: messages.ClusterSchema,
      endpoints: messages.ClusterLoadAssignmentSchema,
    };
    const shown = Object.fromEntries(
      show.map((part) => [part, result[part].map((message: Message) => toJson(schemas[part] as DescMessage, message, { registry }))]),
    );
    assertGolden(
      new URL(`${name}.out.yaml`, testdata).pathname,
      stringify({ ...shown, findings: result.findings }, { aliasDuplicateObjects: false }),
    );
  });
}

function documents(file: string): unknown[] {
  return parseAllDocuments(readFileSync(new URL(file, testdata), 'utf8'))
    .map((document) => document.toJS() as unknown)
    .filter((value) => value !== null);
}

function registryOf(exports: object): Registry {
  const found: DescMessage[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null) return;
    if ((value as { kind?: unknown }).kind === 'message') found.push(value as DescMessage);
    else if (depth === 0) for (const inner of Object.values(value)) visit(inner, 1);
  };
  for (const value of Object.values(exports)) visit(value, 0);
  return createRegistry(...found);
}
