// The normalisers that routing, policy and the upstream all rely on.

import assert from 'node:assert/strict';
import { isAuthority, normalizeAuthority } from '../../../packages/proxy/src/http/authority.ts';
import { normalizePath, type PathRules } from '../../../packages/proxy/src/http/normalize-path.ts';
import type { Target } from '../target.ts';

const LEVELS: readonly PathRules[] = [
  { normalizePath: true, mergeSlashes: false, escapedSlashes: 'keep_unchanged' },
  { normalizePath: true, mergeSlashes: true, escapedSlashes: 'keep_unchanged' },
  { normalizePath: true, mergeSlashes: true, escapedSlashes: 'unescape_and_forward' },
  { normalizePath: true, mergeSlashes: true, escapedSlashes: 'unescape_and_redirect' },
  { normalizePath: true, mergeSlashes: true, escapedSlashes: 'reject_request' },
];

export const path: Target = {
  name: 'path',
  tokens: ['/', '//', '/./', '/../', '%2e', '%2E%2e', '%2f', '%5C', '\\', '%00', '#', '?', ';', '%25', '%252f', '..;/'],
  seeds: () => ['/a/../b', '/a%2fb/%2e%2e/c?x=/../y#z', '/%61//b\\..\\c', '/a/b/../../../c'].map((text) => Buffer.from(text)),
  run(input) {
    // What the head parser lets through.
    const target = `/${input.toString('latin1').replaceAll(/[^!-~]/g, '')}`;
    for (const rules of LEVELS) {
      const once = normalizePath(target, rules);
      if (once.kind === 'invalid') continue;
      assert.ok(once.path.startsWith('/'), once.path);
      const bare = once.path.split('?')[0]!;
      assert.ok(!/\/\.\.?(?:\/|$)/.test(bare), `${target} became ${once.path}`);
      if (rules.mergeSlashes) assert.ok(!bare.includes('//'), `${target} became ${once.path}`);
      const twice = normalizePath(once.path, rules);
      assert.deepEqual(twice.kind === 'invalid' ? undefined : twice.path, once.path, `not idempotent: ${target}`);
    }
    return undefined;
  },
};

const RULES = { stripAnyHostPort: false, stripMatchingHostPort: true, stripTrailingHostDot: true };

export const host: Target = {
  name: 'host',
  tokens: ['a.test', ':80', '.', '[::1]', '@', '%', '/', 'A', '..', ':'],
  seeds: () => ['a.test', 'A.Test.:80', '[2001:db8::1]:443', 'xn--a.test:'].map((text) => Buffer.from(text)),
  run(input) {
    const text = input.toString('latin1');
    if (!isAuthority(text)) return undefined;
    assert.match(text, /^[!-~]*$/);
    assert.ok(!/[/@\\?#\s]/.test(text), text);
    const once = normalizeAuthority(text, RULES, 80);
    // The letters are the client's; only a port and a dot may go.
    assert.ok(text.startsWith(once) || text.replace(/\.(?=:|$)/, '').startsWith(once), `${text} became ${once}`);
    return undefined;
  },
};
