// Sample objects in a few words, and tests of `analyze` as rows of a table.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { parseAllDocuments } from 'yaml';
import { type AnalyzeInput, analyze } from '../analyze.ts';

export const read = (yaml: string): AnalyzeInput['objects'] =>
  parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubeObject | null)
    .flatMap((object) => (object ? [{ object }] : []));

export const net = (kind: string, name: string, spec: string): string => {
  const [namespace, own] = name.includes('/') ? name.split('/') : ['default', name];
  return `{apiVersion: networking.istio.io/v1, kind: ${kind}, metadata: {name: ${own}, namespace: ${namespace}}, spec: ${spec}}`;
};
export const core = (kind: string, name: string, rest: string): string => {
  const [namespace, own] = name.includes('/') ? name.split('/') : ['default', name];
  return `{apiVersion: v1, kind: ${kind}, metadata: {name: ${own}, namespace: ${namespace}${rest.startsWith(',') ? rest : `}, ${rest}`}`;
};
export const pod = (name: string, labels: string, spec = '{containers: [{name: app}]}'): string =>
  core('Pod', name, `, labels: ${labels}}, spec: ${spec}}`);
export const service = (name: string, spec: string): string => core('Service', name, `spec: ${spec}}`);
export const namespace = (name: string, labels = '{}'): string =>
  `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}, labels: ${labels}}}`;
// What the row shows, the codes it is about, the objects, and the findings expected among those codes.
export type Row = [name: string, codes: string, documents: string[], expected: string[]];

export function testRows(rows: readonly Row[]): void {
  for (const [name, codes, documents, expected] of rows) {
    test(`analyze: ${name}`, () => {
      const findings = analyze({ objects: read(documents.join('\n---\n')) });
      const shown = findings
        .filter(({ code }) => codes.split(' ').includes(code) || code === 'IST0001')
        .map(
          ({ code, resource, path }) =>
            `${code} ${resource?.kind} ${resource?.namespace ? `${resource.namespace}/` : ''}${resource?.name} ${path}`,
        );
      assert.deepEqual(shown.sort(), expected.toSorted());
    });
  }
}
