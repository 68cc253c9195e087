import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fromJson } from '@bufbuild/protobuf';
import { ListenerSchema } from '@lateen/xds/messages/proxy';
import { messageRegistry } from '../../ads/registry.ts';
import { httpListener } from '../../testing/runtime.ts';
import { compileListener } from './compile.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const messageOf = (version: number) =>
  fromJson(ListenerSchema, httpListener('in', [{ match: { prefix: '/' }, direct_response: { status: 200 } }], { via: `v${version}` }), {
    registry: messageRegistry(),
  });

test('a listener does not hold the versions before it', async () => {
  const held: WeakRef<object>[] = [];
  let previous: Parameters<typeof compileListener>[1];
  for (let version = 0; version < 5; version++) {
    const message = messageOf(version);
    const compiled = compileListener(message, previous);
    assert.ok(compiled.ok);
    held.push(new WeakRef(compiled.value));
    previous = { message, compiled: compiled.value };
  }
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  assert.deepEqual(
    held.map((version) => version.deref() !== undefined),
    [false, false, false, false, true],
  );
  assert.ok(previous);
});
