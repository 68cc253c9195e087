// What the control plane writes, the proxy must read: every recorded translation compiles. (Neither package may import the other.)

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type DescMessage, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf';
import { type Compiled, compileCluster, compileEndpoints, compileListener, compileRouteTable } from '@lateen/proxy/runtime';
import * as messages from '@lateen/xds/messages';
import { parse } from 'yaml';
import { registry } from '../support/xds-registry.ts';

const testdata = new URL('../../packages/mesh/src/translate/testdata/', import.meta.url);

type Part = { schema: DescMessage; compile: (message: Message) => Compiled<unknown> };
const PARTS: Record<string, Part> = {
  listeners: { schema: messages.ListenerSchema, compile: (message) => compileListener(message as messages.Listener) },
  routes: { schema: messages.RouteConfigurationSchema, compile: (message) => compileRouteTable(message as messages.RouteConfiguration) },
  clusters: { schema: messages.ClusterSchema, compile: (message) => compileCluster(message as messages.Cluster) },
  endpoints: {
    schema: messages.ClusterLoadAssignmentSchema,
    compile: (message) => compileEndpoints(message as messages.ClusterLoadAssignment),
  },
};

for (const file of readdirSync(testdata).filter((name) => name.endsWith('.out.yaml'))) {
  test(`${file} compiles`, () => {
    const recorded = parse(readFileSync(new URL(file, testdata), 'utf8')) as Record<string, JsonValue[] | undefined>;
    const reasons: string[] = [];
    let compiled = 0;
    for (const [part, { schema, compile }] of Object.entries(PARTS)) {
      for (const json of recorded[part] ?? []) {
        const result = compile(fromJson(schema, json, { registry }));
        if (result.ok) compiled++;
        else reasons.push(...result.error);
      }
    }
    assert.deepEqual(reasons, []);
    assert.ok(compiled > 0, 'something was recorded');
  });
}
