import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePodProxyPath } from './pod-proxy.ts';

test('a pod proxy path names pod, port and what to ask it', () => {
  const cases: [path: string, expected: ReturnType<typeof parsePodProxyPath>][] = [
    ['/api/v1/namespaces/n/pods/p:15000/proxy/config_dump', { namespace: 'n', pod: 'p', port: 15000, path: '/config_dump' }],
    ['/api/v1/namespaces/n/pods/http:p:80/proxy/a/b', { namespace: 'n', pod: 'p', port: 80, path: '/a/b' }],
    ['/api/v1/namespaces/n/pods/p/proxy', { namespace: 'n', pod: 'p', port: undefined, path: '/' }],
    ['/api/v1/namespaces/n/pods/https:p:443/proxy/', undefined],
    ['/api/v1/namespaces/n/pods/p/log', undefined],
    ['/api/v1/namespaces/n/services/p/proxy/', undefined],
  ];
  for (const [path, expected] of cases) assert.deepEqual(parsePodProxyPath(path), expected, path);
});
