import assert from 'node:assert/strict';
import test from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { BootstrapSchema } from '@lateen/xds/messages/admin';
import { createReport } from '../runtime/compile/report.ts';
import { compileOperations } from './operations.ts';
import { messageRegistry } from './registry.ts';

function reasonsOf(bootstrap: JsonObject): readonly string[] {
  const { report, reasons } = createReport('bootstrap');
  compileOperations(fromJson(BootstrapSchema, bootstrap, { registry: messageRegistry() }), report);
  return reasons;
}

const layers: [string, JsonObject[], string[]][] = [
  [
    'layers of each kind',
    [
      { name: 'a', static_layer: { b: 1 } },
      { name: 'c', admin_layer: {} },
    ],
    [],
  ],
  [
    'two layers of one name',
    [
      { name: 'a', static_layer: {} },
      { name: 'a', static_layer: {} },
    ],
    ['bootstrap: layered_runtime.layers[1].name: "a" is the name of two layers'],
  ],
  [
    'two admin layers',
    [
      { name: 'a', admin_layer: {} },
      { name: 'b', admin_layer: {} },
    ],
    ['bootstrap: layered_runtime.layers[1]: there can be one admin_layer only'],
  ],
  [
    'layers from elsewhere',
    [{ name: 'a', disk_layer: { symlink_root: '/x' } }],
    ['bootstrap: layered_runtime.layers[0]: diskLayer is not supported'],
  ],
];
for (const [name, list, reasons] of layers) {
  test(`runtime: ${name}`, () => assert.deepEqual(reasonsOf({ layered_runtime: { layers: list } }), reasons));
}
