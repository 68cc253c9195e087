// What survives the process: a second server over the same file.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { CustomResourceDefinition, KubeObject, ResourceRef } from '@lateen/kube/types';
import { createSqliteStore } from '../store/index.ts';
import { startTestServer } from './testing/test-server.ts';

const DEFINITIONS: ResourceRef = { group: 'apiextensions.k8s.io', version: 'v1', resource: 'customresourcedefinitions', namespaced: false };
const GADGETS: ResourceRef = { group: 'example.com', version: 'v1', resource: 'gadgets', namespaced: true };

const definition: CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'gadgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'gadgets', kind: 'Gadget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', properties: { size: { type: 'integer' } } },
              status: { type: 'object', properties: { ready: { type: 'boolean' }, seen: { type: 'integer' } } },
            },
          },
        },
      },
    ],
  },
};
const gadget = (parts: object): KubeObject => ({
  apiVersion: 'example.com/v1',
  kind: 'Gadget',
  metadata: { name: 'g', namespace: 'default' },
  ...parts,
});
const target = { namespace: 'default', name: 'g' };

describe('the API server', () => {
  it('has definitions, objects and the address of every service again after a restart', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'lateen-restart-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    const path = join(dir, 'objects.db');
    const first = await startTestServer(t, { store: createSqliteStore(path) });
    await first.client.create(DEFINITIONS, definition as unknown as KubeObject);
    const created = await first.client.create(GADGETS, gadget({ spec: { size: 3 } }));
    // Neither closed nor flushed: as after kill -9.
    const second = await startTestServer(t, { store: createSqliteStore(path) });
    const found = await second.client.get(GADGETS, target);
    assert.deepEqual(found, created);
    const service = await second.client.get(
      { group: '', version: 'v1', resource: 'services', namespaced: true },
      { namespace: 'default', name: 'kubernetes' },
    );
    assert.equal(service.metadata.uid, first.store.get({ resource: 'services', namespace: 'default', name: 'kubernetes' })?.metadata.uid);
  });

  it('keeps spec and status of a custom resource apart, also when they are applied', async (t) => {
    const test = await startTestServer(t);
    await test.client.create(DEFINITIONS, definition as unknown as KubeObject);
    await test.client.create(GADGETS, gadget({ spec: { size: 1 }, status: { ready: true } }));
    assert.equal((await test.client.get(GADGETS, target))['status'], undefined);
    await test.client.apply(GADGETS, gadget({ spec: { size: 9 }, status: { ready: true } }), {
      subresource: 'status',
      fieldManager: 'status-writer',
      force: true,
    });
    await test.client.apply(GADGETS, gadget({ status: { seen: 1 } }), { subresource: 'status', fieldManager: 'other' });
    const found = await test.client.get(GADGETS, target);
    assert.deepEqual([found['spec'], found['status'], found.metadata.generation], [{ size: 1 }, { ready: true, seen: 1 }, 1]);
  });
});
