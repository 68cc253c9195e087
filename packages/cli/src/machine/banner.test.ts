import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandFor, renderBanner } from './banner.ts';

const report = {
  pid: 1,
  network: { mode: 'rootless', reason: 'user namespaces' },
  apiServer: 'https://127.0.0.1:1',
  kubeconfig: '/s/kubeconfig',
  gateway: 'http://localhost:8080',
  startedAt: '2026-01-01T00:00:00Z',
};

test('the banner has the URL, the kubeconfig line, the rung in short, and three things to try', () => {
  const banner = renderBanner({ report, command: commandFor('lateen', '/s', '/s'), demo: 'bookinfo', isDetached: false });
  assert.match(banner, /http:\/\/localhost:8080\/productpage/);
  assert.match(banner, /export KUBECONFIG=\$\(\.\/lateen kubeconfig\)/);
  assert.match(banner, /rootless \(user namespaces\)/);
  assert.equal(banner.match(/^ {2}\d\. /gm)?.length, 3);
  assert.match(banner, /Ctrl-C stops everything/);
});

test('commands name the state folder when it is not the default, and a detached mesh is stopped by "down"', () => {
  const banner = renderBanner({ report, command: commandFor('lateen', '/other', '/s'), demo: undefined, isDetached: true });
  assert.match(banner, /lateen kubeconfig --state-dir \/other/);
  assert.match(banner, /"\.\/lateen down --state-dir \/other" stops it/);
  assert.match(banner, /gateway +http:\/\/localhost:8080/);
});

test('a state folder with blanks is quoted, so that the line can be pasted', () => {
  assert.equal(commandFor('lateen', '/my files/s', '/s')('down'), "./lateen down --state-dir '/my files/s'");
});
