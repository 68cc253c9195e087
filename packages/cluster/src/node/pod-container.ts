// One container of a pod over its restarts: starting with its hook, probes, back-off, stopping, and its status.

import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { delay, messageOf } from '@lateen/base';
import type { Container, ContainerState, ContainerStatus, LifecycleHandler, Pod, Probe } from '@lateen/kube/types';
import { type ContainerHistory, type ContainerKind, readContainerHistory } from './container-history.ts';
import { type Launched, launchContainer, type PodContext, waitingReason } from './container-launch.ts';
import { rotatedPath } from './container-log.ts';
import { startContainerProbes } from './container-probes.ts';
import { type ContainerExit, stopRun } from './container-run.ts';
import { containerLogPath } from './pod-paths.ts';
import type { PodWorkerDeps } from './pod-worker-deps.ts';
import { type ActionFailure, runAction } from './probe-actions.ts';
import { createRestartBackoff } from './restart-backoff.ts';
import { captureExec } from './run-exec.ts';
import { rfc3339 } from './time-text.ts';

export type PodContainerOptions = {
  spec: Container;
  kind: ContainerKind;
  deps: PodWorkerDeps;
  /** The newest version of the pod object. */
  pod(): Pod;
  /** What the stored pod says of an earlier life of this container. */
  stored: ContainerStatus | undefined;
  /** Its status, or what is to be done, changed. */
  onChange(): void;
  /** Ends hooks of a pod that is going away. */
  signal: AbortSignal;
};

const WAITS_FOR_OTHERS = ['CreateContainerConfigError', 'ErrImageNeverPull'];
/** Tried again even when no change is seen. */
const CANNOT_START_RETRY_MS = 30_000;
/** A preStop hook that used up the grace period still leaves this much, as with the kubelet. */
const MINIMUM_AFTER_HOOK_MS = 2000;

export class PodContainer {
  readonly spec: Container;
  readonly kind: ContainerKind;
  /** Wall time before which it is not started again. */
  retryAtMs = 0;
  /** Set while it runs. */
  launched: Launched | undefined;
  /** How its last run ended; undefined while it runs and before the first. */
  exit: ContainerExit | undefined;
  /** postStart hook and startup probe are done. */
  started = false;
  ready = false;

  readonly #options: PodContainerOptions;
  readonly #backoff = createRestartBackoff();
  #history: ContainerHistory;
  #startedAtMs = 0;
  #context: PodContext | undefined;
  #probes: { close(): void } | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: PodContainerOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.kind = options.kind;
    this.#history = readContainerHistory(options.stored, options.kind, rfc3339(options.deps.clock.now()));
    this.exit = this.#history.exit;
  }

  /** Whether it ended and is to be left so, by restart policy. */
  get finished(): boolean {
    if (this.launched || !this.exit) return false;
    const policy = this.kind === 'sidecar' ? 'Always' : (this.#options.pod().spec.restartPolicy ?? 'Always');
    const succeeded = this.exit.exitCode === 0;
    return this.kind === 'init' ? succeeded || policy === 'Never' : policy === 'Never' || (policy === 'OnFailure' && succeeded);
  }

  status(): ContainerStatus {
    const { state, lastState, restartCount, ran } = this.#history;
    return {
      name: this.spec.name,
      state,
      ...(lastState && { lastState }),
      ready: this.kind === 'init' ? !this.launched && this.exit?.exitCode === 0 : this.ready,
      started: this.kind === 'init' ? this.launched !== undefined : this.started,
      restartCount,
      image: this.spec.image ?? '',
      imageID: ran ? `lateen://${this.spec.image ?? ''}` : '',
      ...(ran && { containerID: this.#containerID() }),
    };
  }

  /** Tries to start it and runs its postStart hook to the end. What fails shows in the status and sets `retryAtMs`. */
  async start(context: PodContext): Promise<void> {
    const { deps, pod } = this.#options;
    if (deps.clock.now() < this.retryAtMs) return this.#showBackoff();
    this.#context = context;
    const restartCount = this.#history.restartCount + (this.#history.ran ? 1 : 0);
    let launched: Launched;
    try {
      launched = await launchContainer(this.spec, restartCount, { context, deps });
    } catch (error) {
      return this.#cannotStart(error);
    }
    this.launched = launched;
    this.exit = undefined;
    this.#startedAtMs = deps.clock.now();
    const lastState = this.#history.state.terminated ? this.#history.state : this.#history.lastState;
    this.#history = { restartCount, ran: true, lastState, state: { running: { startedAt: rfc3339(this.#startedAtMs) } }, exit: undefined };
    void launched.run.exited.then((exit) => this.#onExit(exit));
    this.#event('Normal', 'Pulled', `Container image ${JSON.stringify(this.spec.image ?? '')} already present (${launched.source})`);
    this.#event('Normal', 'Created', `Created container: ${this.spec.name}`);
    this.#event('Normal', 'Started', `Started container ${this.spec.name}`);
    this.#options.onChange();
    void forgetOldLog(deps.stateDir, pod(), { container: this.spec.name, restartCount: restartCount - 2 });
    if (!(await this.#postStart(launched))) return;
    if (this.launched === launched && !this.#stopping && !this.#options.signal.aborted) this.#startProbes();
  }

  /** Lets a container that waits for something else (configuration, an image's command) start in the next round. */
  retryNow(): void {
    if (!this.launched && WAITS_FOR_OTHERS.includes(this.#history.state.waiting?.reason ?? '')) this.retryAtMs = 0;
  }

  /** How events name it. */
  get fieldPath(): string {
    return `spec.${this.kind === 'app' ? 'containers' : 'initContainers'}{${this.spec.name}}`;
  }

  /** preStop hook, SIGTERM, and SIGKILL when `graceMs` is over. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    const { launched } = this;
    if (!launched) return;
    if (this.#stopping && graceMs === 0) launched.run.kill();
    this.#stopping ??= this.#stopNow(launched, graceMs);
    await this.#stopping;
  }

  async #stopNow(launched: Launched, graceMs: number): Promise<void> {
    const { clock } = this.#options.deps;
    this.#probes?.close();
    const deadline = clock.now() + graceMs;
    const { preStop } = this.spec.lifecycle ?? {};
    if (preStop && graceMs > 0) {
      const limit = new AbortController();
      const timer = clock.after(graceMs, () => limit.abort(new Error('the grace period is over')), { background: true });
      void launched.run.exited.then(() => limit.abort(new Error('the container ended')));
      const failure = await this.#act(preStop, limit.signal);
      timer.cancel();
      if (failure !== undefined) this.#event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${failure}`);
    }
    const leftMs = deadline - clock.now();
    await stopRun(launched.run, preStop && graceMs > 0 ? Math.max(leftMs, MINIMUM_AFTER_HOOK_MS) : leftMs, clock);
  }

  #onExit(exit: ContainerExit): void {
    const { clock } = this.#options.deps;
    const nowMs = clock.now();
    this.#probes?.close();
    this.#probes = undefined;
    this.#stopping = undefined;
    this.launched = undefined;
    this.started = false;
    this.ready = false;
    this.exit = exit;
    this.retryAtMs = nowMs + this.#backoff.ended(nowMs - this.#startedAtMs);
    this.#history.state = {
      terminated: {
        exitCode: exit.exitCode,
        reason: exit.reason,
        ...(exit.message && { message: exit.message }),
        startedAt: rfc3339(this.#startedAtMs),
        finishedAt: rfc3339(nowMs),
        containerID: this.#containerID(),
      },
    };
    this.#options.onChange();
  }

  /** Gives whether the container may go on. */
  async #postStart(launched: Launched): Promise<boolean> {
    const { postStart } = this.spec.lifecycle ?? {};
    if (!postStart) return true;
    const over = new AbortController();
    void launched.run.exited.then(() => over.abort(new Error('the container ended')));
    const failure = await this.#act(postStart, AbortSignal.any([over.signal, this.#options.signal]));
    if (failure === undefined) return true;
    if (this.launched === launched && !this.#options.signal.aborted) {
      this.#event('Warning', 'FailedPostStartHook', `PostStartHook failed: ${failure}`);
      await this.stop(this.#graceMs(undefined));
    }
    return false;
  }

  #startProbes(): void {
    if (this.kind === 'init') return;
    this.#probes = startContainerProbes({
      spec: this.spec,
      clock: this.#options.deps.clock,
      run: (probe, signal) => this.#act(probe, signal),
      dial: (port) => this.#dialInside(port),
      onStarted: () => {
        this.started = true;
        this.#options.onChange();
      },
      onReady: (ready) => {
        this.ready = ready;
        this.#options.onChange();
      },
      onUnhealthy: (name, message) => this.#event('Warning', 'Unhealthy', `${name} probe failed: ${message}`),
      onFailed: (name, probe) => {
        const never = this.kind === 'app' && this.#options.pod().spec.restartPolicy === 'Never';
        this.#event('Normal', 'Killing', `Container ${this.spec.name} failed ${name} probe, will be ${never ? 'stopped' : 'restarted'}`);
        void this.stop(this.#graceMs(probe));
      },
    });
  }

  async #dialInside(port: number): Promise<Socket> {
    if (!this.#context) throw new Error('the container is not running');
    return this.#context.sandbox.dialLocal(port);
  }

  #act(action: Probe | LifecycleHandler, signal: AbortSignal): Promise<ActionFailure> {
    if ('sleep' in action && action.sleep) {
      return delay(this.#options.deps.clock, action.sleep.seconds * 1000, signal).then(() => undefined, messageOf);
    }
    const { launched } = this;
    const context = this.#context;
    if (!launched || !context) return Promise.resolve('the container is not running');
    const { sandbox } = context;
    const exec = (command: string[], execSignal: AbortSignal) => captureExec({ sandbox, process: launched.process, command }, execSignal);
    const dial = (address: { host: string; port: number }) => this.#options.deps.network.dial(address);
    return runAction(action, { container: this.spec, podIP: sandbox.ip, dial, exec }, signal);
  }

  #showBackoff(): void {
    if (!this.#history.state.terminated) return;
    const { deps, pod } = this.#options;
    const seconds = Math.ceil((this.retryAtMs - deps.clock.now()) / 1000);
    const { name, namespace, uid } = pod().metadata;
    this.#event('Warning', 'BackOff', `Back-off restarting failed container ${this.spec.name} in pod ${name}_${namespace}(${uid})`);
    this.#wait('CrashLoopBackOff', `back-off ${seconds}s restarting failed container=${this.spec.name} pod=${name}_${namespace}(${uid})`);
  }

  #cannotStart(error: unknown): void {
    const reason = waitingReason(error);
    const fix = (error as { fix?: string }).fix;
    const message = fix ? `${messageOf(error)}. ${fix}` : messageOf(error);
    this.retryAtMs = this.#options.deps.clock.now() + CANNOT_START_RETRY_MS;
    this.#event(
      'Warning',
      reason === 'ErrImageNeverPull' ? reason : 'Failed',
      reason === 'ErrImageNeverPull' ? message : `Error: ${message}`,
    );
    this.#wait(reason, message);
  }

  #wait(reason: string, message: string): void {
    const state: ContainerState = { waiting: { reason, message } };
    const lastState = this.#history.state.terminated ? this.#history.state : this.#history.lastState;
    this.#history = { ...this.#history, state, lastState };
    this.#options.onChange();
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.deps.event(this.#options.pod(), { type, reason, message, fieldPath: this.fieldPath });
  }

  #graceMs(probe: Probe | undefined): number {
    return (probe?.terminationGracePeriodSeconds ?? this.#options.pod().spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  #containerID(): string {
    const key = `${this.#options.pod().metadata.uid}/${this.spec.name}/${this.#history.restartCount}`;
    return `lateen://${createHash('sha256').update(key).digest('hex')}`;
  }
}

/** Only the current and the previous log of a container are kept. */
async function forgetOldLog(stateDir: string, pod: Pod, start: { container: string; restartCount: number }): Promise<void> {
  if (start.restartCount < 0) return;
  const path = containerLogPath(stateDir, pod, start);
  for (const file of [path, rotatedPath(path)]) await rm(file, { force: true }).catch(() => {});
}
