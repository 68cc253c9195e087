import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JsonValue, toJson } from '@bufbuild/protobuf';
import { BootstrapSchema } from '@lateen/xds/messages/admin';
import { messageFromText } from './message-text.ts';
import { lenientRegistry } from './registry.ts';

const read = (text: string): JsonValue | undefined => {
  const message = messageFromText(BootstrapSchema, text);
  return message && toJson(BootstrapSchema, message, { registry: lenientRegistry() });
};

// What real Envoy 1.40 takes, and how.
const LENIENT: [string, string, JsonValue][] = [
  ['one value stands for a list of one', 'staticResources: {clusters: {name: a}}', { staticResources: { clusters: [{ name: 'a' }] } }],
  [
    'lists in lists are joined and nulls left out',
    'staticResources: {clusters: [[{name: a}], ~]}',
    { staticResources: { clusters: [{ name: 'a' }] } },
  ],
  ['enums in any case', 'staticResources: {clusters: [{type: strict_dns}]}', { staticResources: { clusters: [{ type: 'STRICT_DNS' }] } }],
  ['durations as messages', 'statsFlushInterval: {seconds: 5, nanos: 500000000}', { statsFlushInterval: '5.500s' }],
  ['wrappers as messages', 'statsConfig: {use_all_default_tags: {value: "true"}}', { statsConfig: { useAllDefaultTags: true } }],
  ['booleans of YAML 1.1', 'enableDispatcherStats: on', { enableDispatcherStats: true }],
  ['numbers with fractions as text', 'node: {id: 1.50}', { node: { id: '1.50' } }],
  ['the last of keys that are there twice', 'node: {id: a}\nflags_path: a\nflags_path: b', { node: { id: 'a' }, flagsPath: 'b' }],
  ['null in a oneof', 'staticResources: {clusters: [{type: EDS, cluster_type: ~}]}', { staticResources: { clusters: [{ type: 'EDS' }] } }],
  [
    'types that are not known, which are for others to refuse',
    'bootstrap_extensions: [{name: a, typed_config: {"@type": type.googleapis.com/a.B, c: 1}}]',
    { bootstrapExtensions: [{ name: 'a', typedConfig: { '@type': 'type.googleapis.com/a.B' } }] },
  ],
  [
    'in values of maps and in Any',
    'node: {dynamic_parameters: {a: {params: {b: c}}}}\nbootstrap_extensions: {typed_config: {"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, type: eds}}',
    {
      node: { dynamicParameters: { a: { params: { b: 'c' } } } },
      bootstrapExtensions: [{ typedConfig: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', type: 'EDS' } }],
    },
  ],
];

const WRONG: [string, string][] = [
  ['enableDispatcherStats: 1', 'expected boolean'],
  ['staticResources: {clusters: [{type: strict-dns}]}', 'strict-dns'],
  ['staticResources: [{clusters: []}]', 'Array'],
  ['statsFlushInterval: 5', 'Duration'],
  ['statsFlushInterval: {seconds: 5, hours: 1}', 'Duration'],
  ['node: {id: 12}', 'expected string'],
  ['node: {name: a}', 'unknown'],
];

describe('configuration as text', () => {
  for (const [what, text, expected] of LENIENT) {
    it(`is read as Envoy reads it: ${what}`, () => assert.deepEqual(read(text), expected));
  }

  for (const [text, reason] of WRONG) {
    it(`is refused: ${text}`, () => assert.throws(() => read(text), new RegExp(reason)));
  }

  it('may be empty', () => assert.equal(read('# nothing'), undefined));
});
