import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { silentLogger, systemClock } from '@lateen/base';
import type { Pod, PodStatus } from '@lateen/kube/types';
import { type ContainerView, podStatus } from './pod-status.ts';
import { createStatusPublisher } from './status-publisher.ts';

test('a pod object that shows every write late does not make the status flip for ever', async (t) => {
  const before: PodStatus = {
    phase: 'Running',
    conditions: [{ type: 'PodReadyToStartContainers', status: 'True', lastTransitionTime: 'in an earlier life' }],
  };
  let pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [] }, status: before };
  const status = { name: 'app', ready: true, restartCount: 0, image: 'i', imageID: '', state: { running: {} } };
  const app: ContainerView = { name: 'app', kind: 'app', status, finished: false, started: true, ready: true };
  let podIP: string | undefined;
  let clockTicks = 0;
  const writes: PodStatus[] = [];
  const publisher = createStatusPublisher({
    pod: () => pod,
    status: (conditions) =>
      podStatus({ pod, conditions, containers: [app], podIP, hostIP: 'h', startTime: 's', now: `now ${++clockTicks}`, failed: undefined }),
    async write(_pod, status) {
      writes.push(status);
      // The watch event of this write arrives when the next one is under way.
      void turn()
        .then(() => turn().then(() => turn()))
        .then(() => {
          pod = { ...pod, status };
          publisher.publish();
        });
      await turn();
    },
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(() => publisher.silence());
  publisher.publish();
  await publisher.settled();
  podIP = '10.0.0.1';
  publisher.publish();
  for (let i = 0; i < 200; i++) await turn();
  assert.ok(writes.length < 6, `${writes.length} writes`);
  const network = writes.at(-1)?.conditions?.find(({ type }) => type === 'PodReadyToStartContainers');
  assert.equal(network?.status, 'True');
  assert.notEqual(network.lastTransitionTime, 'in an earlier life');
});
