// The controllers of the embedded cluster. Each looks at the world and brings it one step nearer to what is asked for; none
// keeps state that a restart would lose.

import { type Clock, type Closable, createLifecycle, type Logger } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { ClusterNetwork } from '../contracts.ts';
import { createControllerContext } from './controller-context.ts';
import { startCronJobController } from './cron-job.ts';
import { startDaemonSetController } from './daemon-set.ts';
import { startDeploymentController } from './deployment.ts';
import { startEndpointSliceController } from './endpoint-slice.ts';
import { startJobController } from './job.ts';
import { startReplicaSetController } from './replica-set.ts';
import { startScheduler } from './scheduler.ts';
import { startServiceNetworkController } from './service-network.ts';
import { startStatefulSetController } from './stateful-set.ts';

export type ControllersOptions = { client: KubeClient; network: ClusterNetwork; clock: Clock; logger: Logger };

/** Resolves when all controllers are at work. Close it before the node agent, or it replaces the pods that the agent ends. */
export async function startControllers({ client, network, clock, logger }: ControllersOptions): Promise<Closable> {
  const lifecycle = createLifecycle();
  const context = lifecycle.add(await createControllerContext({ client, clock, logger }));
  lifecycle.add(startDeploymentController(context));
  lifecycle.add(startReplicaSetController(context));
  lifecycle.add(startStatefulSetController(context));
  lifecycle.add(startDaemonSetController(context));
  lifecycle.add(startJobController(context));
  lifecycle.add(startCronJobController(context));
  lifecycle.add(startEndpointSliceController(context));
  lifecycle.add(startServiceNetworkController(context, network));
  lifecycle.add(startScheduler(context));
  return lifecycle;
}
