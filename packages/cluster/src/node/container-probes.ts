// The probes of one running container: startup first, then liveness and readiness.

import type { Socket } from 'node:net';
import type { Clock } from '@lateen/base';
import type { Container, Probe } from '@lateen/kube/types';
import { waitUntilListening } from './listen-wait.ts';
import type { ActionFailure } from './probe-actions.ts';
import { startProbeLoop } from './probe-loop.ts';

export type ContainerProbesOptions = {
  spec: Container;
  clock: Clock;
  run(probe: Probe, signal: AbortSignal): Promise<ActionFailure>;
  /** Connects to a port of the container from inside the pod. */
  dial(port: number): Promise<Socket>;
  /** The startup probe passed, or there is none. */
  onStarted(): void;
  onReady(ready: boolean): void;
  onUnhealthy(probe: 'Startup' | 'Liveness' | 'Readiness', message: string): void;
  /** The container must be killed. */
  onFailed(name: 'startup' | 'liveness', probe: Probe): void;
};

/** Without a readiness probe the container is ready when it has started and listens on what it declares. */
export function startContainerProbes(options: ContainerProbesOptions): { close(): void } {
  const { spec, clock, run } = options;
  const loops: { close(): void }[] = [];
  const afterStartup = () => {
    options.onStarted();
    const { livenessProbe: liveness, readinessProbe: readiness } = spec;
    if (liveness) {
      loops.push(
        startProbeLoop({
          probe: liveness,
          clock,
          run: (signal) => run(liveness, signal),
          onFailure: (message) => options.onUnhealthy('Liveness', message),
          onChange: (healthy) => !healthy && options.onFailed('liveness', liveness),
        }),
      );
    }
    if (!readiness) {
      loops.push(waitUntilListening(spec, { clock, dial: options.dial, onReady: () => options.onReady(true) }));
      return;
    }
    loops.push(
      startProbeLoop({
        probe: readiness,
        eager: true,
        clock,
        run: (signal) => run(readiness, signal),
        onFailure: (message) => options.onUnhealthy('Readiness', message),
        onChange: options.onReady,
      }),
    );
  };
  const { startupProbe: startup } = spec;
  if (!startup) afterStartup();
  else {
    const loop = startProbeLoop({
      probe: startup,
      eager: true,
      clock,
      run: (signal) => run(startup, signal),
      onFailure: (message) => options.onUnhealthy('Startup', message),
      onChange: (healthy) => {
        loop.close();
        if (healthy) afterStartup();
        else options.onFailed('startup', startup);
      },
    });
    loops.push(loop);
  }
  return {
    close() {
      for (const loop of loops) loop.close();
    },
  };
}
