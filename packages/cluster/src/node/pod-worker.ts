// One pod on the node: brings it up (volumes, network, init containers, containers), keeps its containers as its spec and
// restart policy say, and takes it down. A level-based loop: whatever happens only wakes it, and each round looks at
// everything anew.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Backoff, createBackoff, jsonEqual, messageOf, type Timer } from '@lateen/base';
import type { Pod, PodCondition, PodStatus } from '@lateen/kube/types';
import type { PodSandbox } from '../contracts.ts';
import type { PodContext } from './container-launch.ts';
import { hostsFileText } from './hosts-file.ts';
import { PodContainer } from './pod-container.ts';
import { podDirectory, podLogDirectory } from './pod-paths.ts';
import { type ContainerView, EPHEMERAL_REFUSAL, podPhase, podStatus } from './pod-status.ts';
import { createPodVolumes, type PodVolumes } from './pod-volumes.ts';
import type { PodWorkerDeps } from './pod-worker-deps.ts';
import { createStatusPublisher, type StatusPublisher } from './status-publisher.ts';
import { rfc3339 } from './time-text.ts';
import { ignoredPorts, refuseUnsupported } from './unsupported.ts';

/** Projected configuration is looked at again this often even when nobody says that it changed (token renewal). */
const REFRESH_MS = 60_000;
/** When the whole node stops, nobody is left to drain for: sidecars and gateways get this long to end what is under way. */
const SHUTDOWN_DRAIN_MS = 1000;

export class PodWorker {
  readonly #deps: PodWorkerDeps;
  readonly #containers: PodContainer[];
  readonly #volumes: PodVolumes;
  readonly #publisher: StatusPublisher;
  readonly #setupBackoff: Backoff = createBackoff({ baseMs: 1000, maxMs: 60_000, jitter: 0 });
  /** Aborted when the pod begins to go: ends hooks and waits. */
  readonly #going = new AbortController();
  readonly #timers: { close(): void }[] = [];
  readonly #startTime: string;
  #pod: Pod;
  #sandbox: PodSandbox | undefined;
  #context: PodContext | undefined;
  #failed: { reason: string; message: string } | undefined;
  #ending: Promise<void> | undefined;
  #over = false;
  #dirty = false;
  #round: Promise<void> | undefined;
  #wakeUp: { timer: Timer; atMs: number } | undefined;
  #setupRetryAtMs = 0;
  #nodeStops = false;

  constructor(pod: Pod, deps: PodWorkerDeps) {
    this.#pod = pod;
    this.#deps = deps;
    this.#startTime = pod.status?.startTime ?? rfc3339(deps.clock.now());
    this.#containers = this.#createContainers(pod);
    this.#volumes = createPodVolumes(pod, {
      directory: join(podDirectory(deps.stateDir, pod), 'volumes'),
      claimsDirectory: join(deps.stateDir, 'claims', pod.metadata.namespace ?? ''),
      facts: () => this.#facts(),
      source: deps.configuration,
      requestToken: (options) => deps.requestToken(this.#pod, options),
      clock: deps.clock,
    });
    this.#publisher = createStatusPublisher({
      pod: () => this.#pod,
      status: (conditions) => this.#status(conditions),
      write: deps.writeStatus,
      clock: deps.clock,
      logger: deps.logger,
    });
    const refresh = deps.clock.every(REFRESH_MS, () => void this.#volumes.refresh());
    this.#timers.push({ close: () => refresh.cancel() });
    this.#watchDeadline();
  }

  get pod(): Pod {
    return this.#pod;
  }

  get context(): PodContext | undefined {
    return this.#context;
  }

  container(name: string): PodContainer | undefined {
    return this.#containers.find(({ spec }) => spec.name === name);
  }

  /** A new version of the pod object. */
  update(pod: Pod): void {
    if ((pod.spec.ephemeralContainers?.length ?? 0) > (this.#pod.spec.ephemeralContainers?.length ?? 0)) {
      this.#deps.event(pod, { type: 'Warning', reason: 'NotSupported', message: EPHEMERAL_REFUSAL });
    }
    const { labels, annotations } = this.#pod.metadata;
    this.#pod = pod;
    // Files of the downward API.
    const isRelabelled = !jsonEqual([labels, annotations], [pod.metadata.labels, pod.metadata.annotations]);
    if (isRelabelled) {
      if (this.#context) void this.#volumes.refresh();
      for (const container of this.#containers) container.retryNow();
    }
    if (pod.metadata.deletionTimestamp) void this.#end(this.#deletionGraceMs());
    this.#wake();
    this.#publisher.publish();
  }

  /** A ConfigMap or Secret of the pod's namespace changed. */
  configurationChanged(kind: 'ConfigMap' | 'Secret', name: string): void {
    if (this.#context && this.#volumes.reads(kind, name)) void this.#volumes.refresh();
    // What waited for configuration may have it now.
    this.#setupRetryAtMs = 0;
    for (const container of this.#containers) container.retryNow();
    if (!this.#ending) this.#wake();
  }

  /** Resolves when the stored status is that of this worker. */
  statusWritten(): Promise<void> {
    return this.#publisher.settled();
  }

  /** Ends the pod's processes because the node stops; the pod object stays, and a later start runs the pod anew. */
  async shutDown(graceLimitMs: number): Promise<void> {
    this.#publisher.silence();
    this.#nodeStops = true;
    await this.#end(Math.min(this.#graceMs(), graceLimitMs), { keepObject: true });
  }

  /** Ends the pod's processes because its object is gone. */
  async discard(): Promise<void> {
    this.#publisher.silence();
    await this.#end(this.#graceMs(), { keepObject: true });
    await rm(podLogDirectory(this.#deps.stateDir, this.#pod), { recursive: true, force: true }).catch(() => {});
  }

  #createContainers(pod: Pod): PodContainer[] {
    const stored = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    const specs = [
      ...(pod.spec.initContainers ?? []).map((spec) => ({
        spec,
        kind: spec.restartPolicy === 'Always' ? ('sidecar' as const) : ('init' as const),
      })),
      ...pod.spec.containers.map((spec) => ({ spec, kind: 'app' as const })),
    ];
    return specs.map(
      ({ spec, kind }) =>
        new PodContainer({
          spec,
          kind,
          deps: this.#deps,
          pod: () => this.#pod,
          stored: stored.find(({ name }) => name === spec.name),
          signal: this.#going.signal,
          onChange: () => {
            this.#wake();
            this.#publisher.publish();
          },
        }),
    );
  }

  // ---- the loop

  #wake(): void {
    this.#dirty = true;
    this.#round ??= this.#rounds().finally(() => {
      this.#round = undefined;
      if (this.#dirty && !this.#ending && !this.#over) this.#wake();
    });
  }

  async #rounds(): Promise<void> {
    while (this.#dirty && !this.#ending && !this.#over) {
      this.#dirty = false;
      try {
        await this.#reconcile();
      } catch (error) {
        this.#deps.logger.error('a pod could not be brought up to date', { pod: this.#pod.metadata.name, error });
        this.#wakeAt(this.#deps.clock.now() + 5000);
      }
    }
  }

  async #reconcile(): Promise<void> {
    if (!(await this.#setUp())) return;
    const context = this.#context;
    if (!context) return;
    for (const container of this.#containers.filter(({ kind }) => kind !== 'app')) {
      await this.#keepRunning(container, context);
      const passed = container.kind === 'init' ? container.finished && container.exit?.exitCode === 0 : container.started;
      if (!passed) return this.#afterRound();
    }
    // One after the other: a postStart hook of the first holds back the others (Istio's holdApplicationUntilProxyStarts).
    for (const container of this.#containers.filter(({ kind }) => kind === 'app')) await this.#keepRunning(container, context);
    this.#afterRound();
  }

  async #keepRunning(container: PodContainer, context: PodContext): Promise<void> {
    if (container.launched || container.finished || this.#ending) return;
    await container.start({ ...context, pod: this.#pod, facts: this.#facts() });
    if (!container.launched && !container.finished) this.#wakeAt(container.retryAtMs);
  }

  #afterRound(): void {
    const phase = podPhase(this.#views());
    if (phase === 'Succeeded' || phase === 'Failed') void this.#end(this.#graceMs(), { keepObject: true, completed: true });
  }

  #wakeAt(timeMs: number): void {
    if (this.#wakeUp && this.#wakeUp.atMs <= timeMs) return;
    this.#wakeUp?.timer.cancel();
    const run = () => {
      this.#wakeUp = undefined;
      this.#wake();
    };
    const timer = this.#deps.clock.after(Math.max(1, timeMs - this.#deps.clock.now()), run, { background: true });
    this.#wakeUp = { timer, atMs: timeMs };
  }

  // ---- set-up

  async #setUp(): Promise<boolean> {
    if (this.#context) return true;
    const deps = this.#deps;
    if (deps.clock.now() < this.#setupRetryAtMs) return false;
    let step = 'FailedCreatePodSandBox';
    try {
      refuseUnsupported(this.#pod);
      this.#sandbox ??= await this.#createSandbox();
      this.#publisher.publish();
      for (const message of ignoredPorts(this.#pod)) deps.event(this.#pod, { type: 'Warning', reason: 'NotSupported', message });
      step = 'FailedMount';
      await this.#volumes.prepare();
      this.#context = {
        pod: this.#pod,
        sandbox: this.#sandbox,
        volumes: this.#volumes,
        facts: this.#facts(),
        hostsFile: await this.#writeHostsFile(this.#sandbox),
      };
      return true;
    } catch (error) {
      deps.event(this.#pod, { type: 'Warning', reason: step, message: messageOf(error) });
      this.#setupRetryAtMs = deps.clock.now() + this.#setupBackoff.next();
      this.#wakeAt(this.#setupRetryAtMs);
      return false;
    }
  }

  async #createSandbox(): Promise<PodSandbox> {
    const { metadata, spec } = this.#pod;
    const ports = [...(spec.initContainers ?? []), ...spec.containers].flatMap((container) =>
      (container.ports ?? []).map((port) => port.containerPort),
    );
    return this.#deps.network.createPod({
      uid: metadata.uid ?? '',
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      hostname: spec.hostname ?? metadata.name,
      ports,
    });
  }

  async #writeHostsFile(sandbox: PodSandbox): Promise<string | undefined> {
    if (this.#deps.network.mode === 'proxy') return undefined;
    const directory = podDirectory(this.#deps.stateDir, this.#pod);
    await mkdir(directory, { recursive: true });
    const path = join(directory, 'etc-hosts');
    await writeFile(path, hostsFileText(this.#pod, sandbox.ip));
    return path;
  }

  #facts() {
    const { hostIP, nodeName, allocatable } = this.#deps;
    return { pod: this.#pod, podIP: this.#sandbox?.ip ?? '', hostIP, nodeName, allocatable };
  }

  #watchDeadline(): void {
    const { activeDeadlineSeconds } = this.#pod.spec;
    if (activeDeadlineSeconds === undefined) return;
    const leftMs = Date.parse(this.#startTime) + activeDeadlineSeconds * 1000 - this.#deps.clock.now();
    const timer = this.#deps.clock.after(
      Math.max(0, leftMs),
      () => {
        if (this.#ending) return;
        this.#failed = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' };
        this.#deps.event(this.#pod, { type: 'Normal', reason: 'DeadlineExceeded', message: this.#failed.message });
        void this.#end(this.#graceMs(), { keepObject: true, completed: true });
      },
      { background: true },
    );
    this.#timers.push({ close: () => timer.cancel() });
  }

  // ---- the end

  #graceMs(): number {
    return (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  #deletionGraceMs(): number {
    return (this.#pod.metadata.deletionGracePeriodSeconds ?? this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  /**
   * Ends everything once. `keepObject`: the pod object is not removed afterwards. `completed`: the pod ended by itself, so it
   * is kept as Succeeded or Failed, and a later deletion only removes the object.
   */
  #end(graceMs: number, options: { keepObject?: boolean; completed?: boolean } = {}): Promise<void> {
    if (this.#over && !options.keepObject) return this.#remove();
    if (this.#ending) {
      // Deleted again with a shorter period, or deleted while it completes.
      if (graceMs === 0) for (const container of this.#containers) void container.stop(0);
      return options.keepObject ? this.#ending : this.#ending.then(() => this.#remove());
    }
    this.#ending = this.#tearDown(graceMs, options).catch((error: unknown) => {
      this.#deps.logger.error('a pod could not be taken down cleanly', { pod: this.#pod.metadata.name, error });
    });
    return this.#ending;
  }

  async #tearDown(
    graceMs: number,
    { keepObject = false, completed = false }: { keepObject?: boolean; completed?: boolean },
  ): Promise<void> {
    this.#going.abort(new Error('the pod is terminating'));
    this.#wakeUp?.timer.cancel();
    const deleted = this.#pod.metadata.deletionTimestamp !== undefined;
    if (deleted && graceMs > 0) await this.#deps.endpointsDrained(this.#pod);
    await this.#stopContainers(graceMs);
    await this.#round;
    // A start that was under way when the end began.
    await Promise.all(this.#containers.map((container) => container.stop(0)));
    this.#over = true;
    for (const timer of this.#timers) timer.close();
    await this.#sandbox?.destroy();
    this.#sandbox = undefined;
    if (!keepObject || completed) {
      this.#publisher.publish();
      await this.#publisher.settled();
    }
    await rm(podDirectory(this.#deps.stateDir, this.#pod), { recursive: true, force: true });
    if (!keepObject || this.#pod.metadata.deletionTimestamp) await this.#remove();
  }

  async #stopContainers(graceMs: number): Promise<void> {
    const stop = async (container: PodContainer) => {
      if (!container.launched) return;
      this.#deps.event(this.#pod, {
        type: 'Normal',
        reason: 'Killing',
        message: `Stopping container ${container.spec.name}`,
        fieldPath: container.fieldPath,
      });
      await container.stop(this.#nodeStops && container.launched.isBuiltin ? Math.min(graceMs, SHUTDOWN_DRAIN_MS) : graceMs);
    };
    await Promise.all(this.#containers.filter(({ kind }) => kind !== 'sidecar').map(stop));
    // Native sidecars outlive the others and end in reverse order.
    for (const container of this.#containers.filter(({ kind }) => kind === 'sidecar').reverse()) await stop(container);
  }

  async #remove(): Promise<void> {
    await this.#deps.removePod(this.#pod);
    await rm(podLogDirectory(this.#deps.stateDir, this.#pod), { recursive: true, force: true }).catch(() => {});
  }

  // ---- status

  #status(conditions: readonly PodCondition[]): PodStatus {
    return podStatus({
      pod: this.#pod,
      conditions,
      containers: this.#views(),
      podIP: this.#sandbox?.ip,
      hostIP: this.#deps.hostIP,
      startTime: this.#startTime,
      now: rfc3339(this.#deps.clock.now()),
      failed: this.#failed,
    });
  }

  #views(): ContainerView[] {
    return this.#containers.map((container) => ({
      name: container.spec.name,
      kind: container.kind,
      status: container.status(),
      finished: container.finished,
      started: container.started,
      ready: container.ready,
    }));
  }
}
