import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { freePort } from '@lateen/base/testing';
import { chooseNetworkMode, startNodeProcess } from './index.ts';
import { scenarios } from './testing/scenarios.ts';

type Report = { name: string; failure?: string };

const outsideAddress = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

for (const mode of ['root', 'rootless'] as const) {
  const refusal = await chooseNetworkMode(mode).then(
    () => undefined,
    (error: Error) => error.message,
  );
  describe(`pod network, ${mode}`, { skip: refusal ?? false }, async () => {
    if (refusal) return;
    const outside = createServer((_request, response) => response.end('outside')).listen(0, outsideAddress ?? '127.0.0.1');
    await once(outside, 'listening');
    const reports = new Map(Object.keys(scenarios).map((name) => [name, Promise.withResolvers<Report>()]));
    const node = startNodeProcess({
      mode,
      childModule: path.join(import.meta.dirname, 'testing/scenario-child.ts'),
      argv: [
        mode,
        String(await freePort()),
        ...(outsideAddress ? [outsideAddress, String((outside.address() as { port: number }).port)] : []),
      ],
      onReport: (value) => reports.get((value as Report).name)?.resolve(value as Report),
    });
    void node.exited.then((exit) => {
      for (const { resolve } of reports.values()) resolve({ name: '', failure: `the node process ended: ${JSON.stringify(exit)}` });
    });
    after(async () => {
      await node.stop(0);
      outside.close();
    });
    for (const [name, { promise }] of reports) {
      const skip = name.includes('outside the cluster') && !outsideAddress ? 'this machine has only loopback' : false;
      test(name, { skip }, async () => assert.equal((await promise).failure, undefined));
    }
    test('the node process ends by itself', async () => assert.deepEqual(await node.exited, { code: 0, signal: null }));
  });
}
