import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { balanced, type Endpoint, type Place } from '../resilience/balanced.ts';
import type { LbMetadata } from '../runtime/model.ts';

const HOSTS: readonly Endpoint[] = [
  { address: '10.0.0.1', metadata: { version: '1', stage: 'prod' } },
  { address: '10.0.0.2', metadata: { version: '1', stage: 'dev' } },
  { address: '10.0.0.3', metadata: { version: '2', stage: 'prod', tags: ['a', 'b'] } },
  { address: '10.0.0.4', metadata: { version: '2', stage: 'prod', tags: ['b'], weight: 3 } },
  { address: '10.0.0.5', metadata: {} },
];

/** The last numbers of the addresses that serve a request. */
function served(config: JsonObject, metadataMatch: LbMetadata | undefined, places: readonly Place[] = [{ endpoints: HOSTS }]): string {
  const { split, close } = balanced({ fields: { lb_policy: 'ROUND_ROBIN', lb_subset_config: config }, places });
  const picked = [...split((host) => host.ip.slice(-1), { metadataMatch }, 200).keys()].sort().join('');
  close();
  return picked;
}

const BY_VERSION = { subset_selectors: [{ keys: ['version'] }] };
const ANY = { fallback_policy: 'ANY_ENDPOINT' };
const DEFAULT = { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'dev' } };

type Row = [name: string, config: JsonObject, match: LbMetadata | undefined, hosts: string];

const ROWS: readonly Row[] = [
  ['the hosts with the value', BY_VERSION, { version: '2' }, '34'],
  ['a value that nobody has, without a fallback', BY_VERSION, { version: '3' }, ''],
  ['no criteria, without a fallback', BY_VERSION, undefined, ''],
  ['no criteria, any endpoint', { ...BY_VERSION, ...ANY }, undefined, '12345'],
  ['a value that nobody has, any endpoint', { ...BY_VERSION, ...ANY }, { version: '3' }, '12345'],
  ['a value that nobody has, the default subset', { ...BY_VERSION, ...DEFAULT }, { version: '3' }, '2'],
  ['an empty default subset is everybody', { ...BY_VERSION, fallback_policy: 'DEFAULT_SUBSET' }, undefined, '12345'],
  ['keys that no selector has', { ...BY_VERSION, ...DEFAULT }, { version: '1', stage: 'prod' }, '2'],
  ['several keys', { subset_selectors: [{ keys: ['stage', 'version'] }] }, { version: '1', stage: 'prod' }, '1'],
  ['numbers are not strings', { subset_selectors: [{ keys: ['weight'] }] }, { weight: 3 }, '4'],
  ['a number where a string is', BY_VERSION, { version: 2 }, ''],
  [
    'a selector without a fallback of its own cluster',
    { subset_selectors: [{ keys: ['version'], fallback_policy: 'NO_FALLBACK' }], ...ANY },
    { version: '3' },
    '',
  ],
  [
    'a selector with another fallback',
    { subset_selectors: [{ keys: ['version'], fallback_policy: 'ANY_ENDPOINT' }] },
    { version: '3' },
    '12345',
  ],
  [
    'a selector that falls back to fewer keys',
    {
      subset_selectors: [
        { keys: ['stage', 'version'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['stage'] },
        { keys: ['stage'] },
      ],
    },
    { stage: 'dev', version: '9' },
    '2',
  ],
  ['a list as one value', { subset_selectors: [{ keys: ['tags'] }] }, { tags: 'b' }, ''],
  ['a list as any of its values', { subset_selectors: [{ keys: ['tags'] }], list_as_any: true }, { tags: 'b' }, '34'],
  ['one host per subset', { subset_selectors: [{ keys: ['version'], single_host_per_subset: true }] }, { version: '2' }, '3'],
  [
    'panic mode: anybody rather than nobody, where the fallback has nobody',
    { ...BY_VERSION, fallback_policy: 'DEFAULT_SUBSET', default_subset: { version: '9' }, panic_mode_any: true },
    { version: '3' },
    '12345',
  ],
  ['panic mode stands behind a fallback only', { ...BY_VERSION, panic_mode_any: true }, { version: '3' }, ''],
  [
    'no alternative at all is the fallback',
    { ...BY_VERSION, ...ANY, metadata_fallback_policy: 'FALLBACK_LIST' },
    { fallback_list: [] },
    '12345',
  ],
  [
    'a list of alternatives: the first that has hosts',
    { subset_selectors: [{ keys: ['version'] }, { keys: ['stage'] }], metadata_fallback_policy: 'FALLBACK_LIST' },
    { fallback_list: [{ version: '9' }, { stage: 'dev' }, { version: '1' }] },
    '2',
  ],
  [
    'alternatives are added to the rest of the criteria',
    { subset_selectors: [{ keys: ['stage', 'version'] }], metadata_fallback_policy: 'FALLBACK_LIST' },
    { stage: 'prod', fallback_list: [{ version: '9' }, { version: '1' }] },
    '1',
  ],
];

for (const [name, config, match, hosts] of ROWS) {
  test(`subset: ${name}`, () => assert.equal(served(config, match), hosts));
}

test('a subset fails over and panics by itself', () => {
  const places = [
    { priority: 0, endpoints: [{ address: '10.0.0.1', health: 'UNHEALTHY', metadata: { version: '1' } }, { address: '10.0.0.2' }] },
    { priority: 1, endpoints: [{ address: '10.0.0.3', metadata: { version: '1' } }] },
  ];
  assert.equal(served(BY_VERSION, { version: '1' }, places), '3');
  const only = [{ endpoints: [{ address: '10.0.0.1', health: 'UNHEALTHY', metadata: { version: '1' } }, { address: '10.0.0.2' }] }];
  assert.equal(served(BY_VERSION, { version: '1' }, only), '1', 'all of the subset is used when all of it is sick');
});

test('locality weights count in subsets only when told to, scaled by what a subset has of a locality', () => {
  const zone = (name: string, weight: number, counts: readonly number[]): Place => ({
    zone: name,
    weight,
    endpoints: counts.flatMap((count, version) =>
      Array.from({ length: count }, (_, i) => ({
        address: `10.${name.charCodeAt(0)}.${version}.${i}`,
        metadata: { version: String(version) },
      })),
    ),
  });
  // Version 1 has two of ten hosts in zone a and all of zone b.
  const places = [zone('a', 40, [8, 2]), zone('b', 10, [0, 2])];
  const shareOfA = (config: JsonObject) => {
    const { split, close } = balanced({
      fields: {
        lb_policy: 'ROUND_ROBIN',
        common_lb_config: { locality_weighted_lb_config: {} },
        lb_subset_config: { ...BY_VERSION, ...config },
      },
      places,
    });
    const share = (split((host) => host.locality?.zone ?? '', { metadataMatch: { version: '1' } }, 1000).get('a') ?? 0) / 10;
    close();
    return Math.round(share);
  };
  assert.equal(shareOfA({}), 50);
  assert.equal(shareOfA({ locality_weight_aware: true }), 80);
  assert.equal(shareOfA({ locality_weight_aware: true, scale_locality_weight: true }), 44);
});

test('subsets follow the endpoints and their health, and are counted', () => {
  const { cluster, place, split, close } = balanced({
    fields: { lb_policy: 'ROUND_ROBIN', lb_subset_config: { ...BY_VERSION, ...ANY } },
    places: [{ endpoints: HOSTS }],
  });
  const metadataMatch = { version: '3' };
  assert.equal(split((host) => host.ip, { metadataMatch }, 100).size, 5);
  assert.deepEqual([cluster.stats.subsets.lb_subsets_fallback, cluster.stats.subsets.lb_subsets_active], [100, 2]);
  place([{ endpoints: [...HOSTS, { address: '10.0.0.6', metadata: { version: '3' } }] }]);
  assert.deepEqual([...split((host) => host.ip, { metadataMatch }, 100).keys()], ['10.0.0.6']);
  assert.deepEqual([cluster.stats.subsets.lb_subsets_selected, cluster.stats.subsets.lb_subsets_active], [100, 3]);
  place([{ endpoints: [...HOSTS, { address: '10.0.0.6', metadata: { version: '2' } }] }]);
  assert.equal(split((host) => host.ip, { metadataMatch }, 100).size, 6);
  close();
});
