import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '@lateen/base';
import type { Finding } from '@lateen/mesh';
import { createFindingLog } from './finding-log.ts';

test('a finding is logged once, whoever finds it again', () => {
  const lines: string[] = [];
  const log = createFindingLog(createLogger({ level: 'info', format: 'text', write: (line) => void lines.push(line) }));
  const finding = (name: string): Finding => ({
    code: 'LAT0201',
    level: 'warning',
    path: 'spec.http[0].delegate',
    message: 'delegate does not exist',
    resource: { kind: 'VirtualService', namespace: 'default', name },
  });
  const list = [finding('a')];
  log(list);
  log(list);
  log([finding('a'), finding('b')]);
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /LAT0201.*VirtualService\/default\/a/);
});
