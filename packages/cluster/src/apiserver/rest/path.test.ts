import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseResourcePath } from './path.ts';

describe('resource paths', () => {
  const cases: [string, string | undefined][] = [
    ['/api/v1/pods', '/v1 - pods - -'],
    ['/api/v1/namespaces', '/v1 - namespaces - -'],
    ['/api/v1/namespaces/foo', '/v1 - namespaces foo -'],
    ['/api/v1/namespaces/foo/status', '/v1 - namespaces foo status'],
    ['/api/v1/namespaces/foo/finalize', '/v1 - namespaces foo finalize'],
    ['/api/v1/namespaces/foo/pods', '/v1 foo pods - -'],
    ['/api/v1/namespaces/foo/pods/p/log', '/v1 foo pods p log'],
    ['/apis/apps/v1/namespaces/foo/deployments/d/scale', 'apps/v1 foo deployments d scale'],
    ['/apis/apps/v1/namespaces/foo/deployments/a%2Fb', undefined],
    ['/apis/apps/v1', undefined],
    ['/api/v1/namespaces/foo/pods/p/log/more', undefined],
    ['/api/v1//pods', undefined],
    ['/api/v1/%zz', undefined],
    ['/healthz', undefined],
  ];
  for (const [path, expected] of cases) {
    it(path, () => {
      const found = parseResourcePath(path);
      const text =
        found &&
        `${found.group}/${found.version} ${found.namespace ?? '-'} ${found.plural} ${found.name ?? '-'} ${found.subresource ?? '-'}`;
      assert.equal(text, expected);
    });
  }
});
