// Configuration from strangers: messages, bootstraps, patterns.

import assert from 'node:assert/strict';
import { create, createRegistry, fromBinary, fromJson, type Message, toBinary } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { CodedError, compileRegex } from '@lateen/base';
import { parseBootstrap } from '@lateen/proxy/bootstrap';
import { compileCluster, compileEndpoints, compileListener, compileRouteTable } from '@lateen/proxy/runtime';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages/proxy';
import { bootstrapOf, clusterOf, listenerOf } from '../../conformance/support/configuration.ts';
import type { Target } from '../target.ts';

type Kind = { read: (bytes: Buffer) => () => { ok: boolean } };
const kindOf = <T extends Message>(schema: GenMessage<T>, compile: (message: T) => { ok: boolean }): Kind => ({
  read: (bytes) => {
    const message = fromBinary(schema, bytes);
    return () => compile(message);
  },
});
const KINDS: readonly Kind[] = [
  kindOf(ListenerSchema, compileListener),
  kindOf(ClusterSchema, compileCluster),
  kindOf(RouteConfigurationSchema, compileRouteTable),
  kindOf(ClusterLoadAssignmentSchema, compileEndpoints),
];

/** The first byte says which message. */
export const xds: Target = {
  name: 'xds',
  tokens: [
    '\x0a',
    '\x12',
    '\x1a',
    '\xff\xff\xff\xff\x0f',
    'type.googleapis.com/',
    'envoy.extensions.filters.http.router.v3.Router',
    '*',
    '/',
    '(?i)',
  ],
  seeds: () => {
    const settings = parseBootstrap(
      bootstrapOf([listenerOf({ name: 'in', port: 0, profile: 'gateway' })], [clusterOf('up', 1, { http2: true })]),
      'seed',
    );
    const routes = fromJson(
      RouteConfigurationSchema,
      {
        name: 'r',
        virtual_hosts: [
          {
            name: 'v',
            domains: ['*.a.test', 'b:80'],
            routes: [{ match: { safe_regex: { regex: '/a.*' } }, redirect: { path_redirect: '/b' } }],
          },
        ],
      },
      { registry: createRegistry() },
    );
    const withKind = (kind: number, bytes: Uint8Array) => Buffer.concat([Buffer.from([kind]), bytes]);
    return [
      ...settings.listeners.map((one) => withKind(0, toBinary(ListenerSchema, one))),
      ...settings.clusters.map((one) => withKind(1, toBinary(ClusterSchema, one))),
      withKind(2, toBinary(RouteConfigurationSchema, routes)),
      withKind(3, toBinary(ClusterLoadAssignmentSchema, create(ClusterLoadAssignmentSchema, { clusterName: 'up' }))),
    ];
  },
  run(input) {
    let compile: () => { ok: boolean };
    try {
      compile = KINDS[(input[0] ?? 0) % KINDS.length]!.read(input.subarray(1));
    } catch {
      // Not a message: the decoder says so with an exception.
      return undefined;
    }
    assert.equal(typeof compile().ok, 'boolean');
    return undefined;
  },
};

export const bootstrap: Target = {
  name: 'bootstrap',
  tokens: ['{', '}', '[', ']', '"', ':', ',', '&a', '*a', '<<: ', '- ', '\n  ', '__proto__', '"@type"', '1e999', 'null', '\u0000'],
  seeds: () => [
    Buffer.from(bootstrapOf([listenerOf({ name: 'in', port: 0, profile: 'inbound' })], [clusterOf('up', 1)])),
    Buffer.from(
      'static_resources:\n  clusters:\n  - name: a\n    type: STATIC\n    connect_timeout: 1s\nadmin:\n  address: { socket_address: { address: 127.0.0.1, port_value: 0 } }\n',
    ),
  ],
  run(input) {
    try {
      parseBootstrap(input.toString('utf8'), 'fuzz');
    } catch (error) {
      assert.ok(error instanceof CodedError, String(error));
    }
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    return undefined;
  },
};

/** Pattern, LF, text. */
export const regex: Target = {
  name: 'regex',
  tokens: ['(a+)+$', '(a|a)*', '.*.*.*', '[^', '{1,1000}', '(?P<n>', '\\p{L}', '\\b', '(?i)', '^', '$', '|', '(?=', '\\1'],
  seeds: () => [`^/item/[0-9]+$\n/item/7`, `(a+)+$\n${'a'.repeat(200)}b`, `(x+x+)+y\n${'x'.repeat(100)}`].map((text) => Buffer.from(text)),
  run(input) {
    const text = input.toString('utf8');
    const end = text.indexOf('\n');
    const compiled = compileRegex(end < 0 ? text : text.slice(0, end));
    if (!compiled.ok) return undefined;
    compiled.value.matchesFully(text.slice(end + 1));
    compiled.value.matchesPartly(text.slice(end + 1));
    return undefined;
  },
};
