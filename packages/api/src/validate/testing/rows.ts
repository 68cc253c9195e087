// Tests of `validateResource` as rows of a table.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { Finding } from '../../findings/finding.ts';
import type { KubeObjectLike } from '../../kube-object.ts';
import { validateResource } from '../resource.ts';

// Each row: what it shows, the object, and a part of the one message expected at a level ("ok" for none worse than info).
export type Row = [name: string, yaml: string, expected: 'ok' | `error ${string}` | `warning ${string}`];

/** The objects of a YAML text. */
export const parse = (yaml: string): KubeObjectLike[] => parseAllDocuments(yaml).map((document) => document.toJS() as KubeObjectLike);

/** One test a row: the kind with this spec. */
export function check(apiVersion: string, kind: string, rows: Row[]): void {
  for (const [name, yaml, expected] of rows) {
    test(`${kind}: ${name}`, () => {
      const spec = yaml.trim() === '' ? '' : `spec:\n${yaml.replace(/^/gm, '  ')}`;
      const [object] = parse(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: test, namespace: ns}\n${spec}`);
      const findings = validateResource(object as KubeObjectLike);
      const text = findings.map((finding) => `${finding.level} ${finding.path}: ${finding.message} | ${finding.fix ?? ''}`).join('\n');
      if (expected === 'ok')
        return assert.deepEqual(
          findings.filter((finding) => finding.level !== 'info'),
          [],
          text,
        );
      const [level, ...words] = expected.split(' ');
      const hit = findings.some(
        (finding: Finding) =>
          finding.level === level && `${finding.path}: ${finding.message} | ${finding.fix ?? ''}`.includes(words.join(' ')),
      );
      assert.ok(hit, `expected ${expected}, got\n${text}`);
    });
  }
}
