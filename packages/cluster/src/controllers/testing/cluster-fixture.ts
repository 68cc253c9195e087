// Controllers and a node agent over the real API server, for tests.

import type { TestContext } from 'node:test';
import { silentLogger, systemClock } from '@lateen/base';
import type { PodTemplateSpec } from '@lateen/kube/types';
import { type AgentFixture, startAgent } from '../../node/testing/agent-fixture.ts';
import { startControllers } from '../index.ts';

/** Everything is gone when the test ends. */
export async function startCluster(t: TestContext): Promise<AgentFixture> {
  const fixture = await startAgent(t);
  const { client, network } = fixture;
  const controllers = await startControllers({ client, network, clock: systemClock, logger: silentLogger });
  t.after(() => controllers.close());
  return fixture;
}

/** Runs until SIGTERM. */
export const FOREVER = 'trap "exit 0" TERM; while :; do sleep 0.05; done';

/** A template whose one container runs the shell script. */
export const shellTemplate = (labels: Record<string, string>, script = FOREVER): PodTemplateSpec => ({
  metadata: { labels },
  spec: {
    terminationGracePeriodSeconds: 2,
    containers: [{ name: 'app', image: 'shell', args: [script], ports: [{ name: 'http', containerPort: 9080 }] }],
  },
});
