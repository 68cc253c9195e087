// Plan I9: whatever the resolver does, the last good addresses stay in use, and it is asked again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import type { Resolver } from '../upstream/cluster-state.ts';
import { type Balanced, balanced } from './balanced.ts';

type Answer = readonly string[] | 'NXDOMAIN' | 'SERVFAIL' | 'hang';

type Dns = Balanced & { answer: Answer; ttlMs: number; asked: string[]; addresses(): string[]; wait(ms: number): Promise<void> };

const settle = async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function dns(first: Answer, fields: JsonObject = {}): Promise<Dns> {
  const state = { answer: first, ttlMs: 0, asked: [] as string[] };
  const resolve: Resolver = async (name, family) => {
    state.asked.push(`${name} ${family}`);
    if (state.answer === 'hang') return new Promise(() => {});
    if (typeof state.answer === 'string') throw Object.assign(new Error(state.answer), { code: 'ENOTFOUND' });
    return { addresses: state.answer, ttlMs: state.ttlMs };
  };
  const stage = balanced({
    fields: {
      type: 'STRICT_DNS',
      dns_lookup_family: 'V4_ONLY',
      dns_refresh_rate: '5s',
      load_assignment: {
        cluster_name: 'c',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'db.test', port_value: 80 } } } }] }],
      },
      ...fields,
    },
    resolve,
  });
  await settle();
  return Object.assign(state, {
    ...stage,
    addresses: () =>
      stage.cluster
        .listHosts()
        .map((host) => host.ip)
        .sort(),
    async wait(ms: number) {
      stage.clock.advance(ms);
      await settle();
    },
  });
}

const GOOD = ['10.0.0.1', '10.0.0.2'];

for (const failure of ['NXDOMAIN', 'SERVFAIL', []] as const) {
  test(`I9: ${typeof failure === 'string' ? failure : 'an empty answer'} keeps the last good addresses`, async () => {
    const stage = await dns(GOOD);
    const [kept] = stage.cluster.listHosts();
    stage.answer = failure;
    for (let i = 0; i < 5; i++) await stage.wait(5000);
    assert.deepEqual(stage.addresses(), GOOD);
    assert.equal(stage.cluster.stats.update_failure, 5);
    stage.answer = ['10.0.0.1', '10.0.0.3'];
    await stage.wait(5000);
    assert.deepEqual(stage.addresses(), ['10.0.0.1', '10.0.0.3']);
    assert.equal(stage.cluster.listHosts()[0], kept, 'the host that stayed is the same');
    stage.close();
  });
}

test('I9: a resolver that hangs is given up and asked again', async () => {
  const stage = await dns(GOOD);
  stage.answer = 'hang';
  await stage.wait(5000);
  const asked = stage.asked.length;
  await stage.wait(10_000);
  assert.equal(stage.asked.length, asked, 'no second question beside the first');
  assert.deepEqual(stage.addresses(), GOOD);
  await stage.wait(10_000);
  stage.answer = ['10.0.0.9'];
  await stage.wait(5000);
  assert.deepEqual(stage.addresses(), ['10.0.0.9']);
  stage.close();
  assert.equal(stage.clock.pendingTimers, 0);
});

test('I9: TTL 0 means the refresh rate, a TTL is respected when told to, neither goes below a second', async () => {
  const plain = await dns(GOOD, { respect_dns_ttl: true });
  const askedIn = async (stage: Dns, ms: number) => {
    const before = stage.asked.length;
    for (let waited = 0; waited < ms; waited += 500) await stage.wait(500);
    return stage.asked.length - before;
  };
  assert.equal(await askedIn(plain, 10_000), 2);
  plain.ttlMs = 2000;
  await plain.wait(5000);
  assert.equal(await askedIn(plain, 10_000), 5);
  plain.ttlMs = 1;
  await plain.wait(2000);
  assert.equal(await askedIn(plain, 10_000), 10);
  plain.close();
});

test('I9: 500 answers are 500 hosts, more are cut off; doubles count once', async () => {
  const many = Array.from({ length: 600 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  const stage = await dns(many);
  assert.equal(stage.addresses().length, 500);
  stage.answer = ['10.0.0.1', '10.0.0.1'];
  await stage.wait(5000);
  assert.deepEqual(stage.addresses(), ['10.0.0.1']);
  stage.close();
});

test('I9: failures are followed by a growing back-off when a failure rate is set', async () => {
  const stage = await dns('SERVFAIL', { dns_failure_refresh_rate: { base_interval: '2s', max_interval: '30s' } });
  const at: number[] = [];
  let seen = stage.asked.length;
  for (let i = 0; i < 200; i++) {
    await stage.wait(500);
    if (stage.asked.length > seen) at.push(stage.clock.monotonicMs());
    seen = stage.asked.length;
  }
  const gaps = at.slice(1).map((ms, i) => ms - (at[i] as number));
  assert.ok(
    gaps.every((gap) => gap >= 2000 && gap <= 30_500),
    String(gaps),
  );
  assert.ok(Math.max(...gaps) > 8000, String(gaps));
  stage.answer = GOOD;
  for (let waited = 0; waited < 30_000; waited += 500) await stage.wait(500);
  assert.deepEqual(stage.addresses(), GOOD);
  stage.close();
});

test('I9: LOGICAL_DNS uses the first answer only and follows it when it rotates', async () => {
  const stage = await dns(['10.0.0.2', '10.0.0.1'], { type: 'LOGICAL_DNS' });
  assert.deepEqual(stage.addresses(), ['10.0.0.2']);
  stage.answer = ['10.0.0.1', '10.0.0.2'];
  await stage.wait(5000);
  assert.deepEqual(stage.addresses(), ['10.0.0.1']);
  stage.answer = 'NXDOMAIN';
  await stage.wait(5000);
  assert.deepEqual(stage.addresses(), ['10.0.0.1']);
  stage.close();
});

test('lookup families: one question, or the second family after the first failed', async () => {
  const rows: [string, string[]][] = [
    ['V4_ONLY', ['db.test v4']],
    ['V6_ONLY', ['db.test v6']],
    ['V4_PREFERRED', ['db.test v4', 'db.test v6']],
    ['AUTO', ['db.test v6', 'db.test v4']],
    ['ALL', ['db.test any']],
  ];
  for (const [family, asked] of rows) {
    const stage = await dns('NXDOMAIN', { dns_lookup_family: family });
    assert.deepEqual(stage.asked, asked, family);
    stage.close();
  }
});
