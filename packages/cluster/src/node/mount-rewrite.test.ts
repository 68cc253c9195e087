import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathRewriter } from './mount-rewrite.ts';

const rewrite = pathRewriter([
  { target: '/etc/app', source: '/s/app' },
  { target: '/etc/app/tls/', source: '/s/tls' },
]);

const cases: [text: string, rewritten: string][] = [
  ['/etc/app', '/s/app'],
  ['--config=/etc/app/x.yaml', '--config=/s/app/x.yaml'],
  ['/etc/app/tls/ca.pem:/etc/app/y', '/s/tls/ca.pem:/s/app/y'],
  ['/etc/application', '/etc/application'],
  ['/root/etc/app', '/root/etc/app'],
  ['cat /etc/app/a /etc/app/b', 'cat /s/app/a /s/app/b'],
];
for (const [text, rewritten] of cases) {
  test(`${text} becomes ${rewritten}`, () => assert.equal(rewrite(text), rewritten));
}
