// What the API server asks of the node: logs, exec, attach, port-forward.

import { existsSync } from 'node:fs';
import { type Clock, CodedError } from '@lateen/base';
import type { Pod } from '@lateen/kube/types';
import type { ExecResult, ExecStreams, NodeApi, PodRef } from '../contracts.ts';
import type { ContainerRun } from './container-run.ts';
import { createLineInput, createLineOutput } from './line-terminal.ts';
import { readContainerLog } from './log-reader.ts';
import type { PodContainer } from './pod-container.ts';
import { containerLogPath } from './pod-paths.ts';
import type { PodWorker } from './pod-worker.ts';
import { streamExec } from './run-exec.ts';

export type NodeApiOptions = {
  /** The pod as stored, bound to this node. */
  findPod(namespace: string, name: string): Pod | undefined;
  /** Its worker, unless the pod is over. */
  findWorker(pod: Pod): PodWorker | undefined;
  stateDir: string;
  clock: Clock;
};

export function createNodeApi(options: NodeApiOptions): NodeApi {
  const find = (ref: PodRef) => {
    const pod = options.findPod(ref.namespace, ref.name);
    if (!pod) throw new CodedError({ code: 'LAT3120', what: `pods ${JSON.stringify(ref.name)} not found on this node` });
    const container = containerName(pod, ref.container);
    const worker = options.findWorker(pod);
    return { pod, name: container, worker, container: worker?.container(container) };
  };
  const findRunning = (ref: PodRef) => {
    const { pod, name, worker, container } = find(ref);
    const context = worker?.context;
    if (!context || !container?.launched) throw notRunning(pod, name);
    return { context, launched: container.launched };
  };
  return {
    async logs(ref, logOptions, signal) {
      const { pod, name, container } = find(ref);
      const restartCount = restartsOf(pod, name, container) - (logOptions.previous ? 1 : 0);
      const path = containerLogPath(options.stateDir, pod, { container: name, restartCount });
      const live = logOptions.previous ? undefined : container?.launched?.log;
      if (!live && !existsSync(path)) throw noLog(pod, name, logOptions.previous);
      return readContainerLog({ path, live }, logOptions, { clock: options.clock, signal });
    },
    async exec(ref, command, { tty }, streams, signal) {
      const { context, launched } = findRunning(ref);
      return streamExec({ sandbox: context.sandbox, process: launched.process, command }, streams, { tty, signal });
    },
    async attach(ref, { tty }, streams, signal) {
      const { run } = findRunning(ref).launched;
      const detach = tty ? attachTerminal(run, streams) : attachPipes(run, streams);
      const aborted = new Promise<ExecResult>((resolve) => {
        signal.addEventListener('abort', () => resolve({ error: 'the client went away' }), { once: true });
      });
      try {
        return await Promise.race([run.exited.then(({ exitCode }) => ({ exitCode })), aborted]);
      } finally {
        detach();
      }
    },
    async portForward(ref, port) {
      const { pod, worker } = find({
        ...ref,
        container: ref.container ?? options.findPod(ref.namespace, ref.name)?.spec.containers[0]?.name,
      });
      if (!worker?.context) throw notRunning(pod, '');
      return worker.context.sandbox.dialLocal(port);
    },
  };
}

function attachPipes(run: ContainerRun, streams: ExecStreams): () => void {
  const stop = run.onOutput((stream, chunk) => void streams[stream]?.write(chunk));
  const { stdin } = run;
  if (stdin) streams.stdin?.on('error', () => {}).pipe(stdin, { end: false });
  return () => {
    stop();
    if (stdin) streams.stdin?.unpipe(stdin);
  };
}

function attachTerminal(run: ContainerRun, { stdin, stdout }: ExecStreams): () => void {
  const output = createLineOutput();
  if (stdout) output.pipe(stdout, { end: false });
  const stop = run.onOutput((_stream, chunk) => void (stdout && output.write(chunk)));
  const lines = createLineInput({ echo: (bytes) => void stdout?.write(bytes), onInterrupt: () => run.terminate() });
  if (run.stdin)
    stdin
      ?.on('error', () => {})
      .pipe(lines)
      .pipe(run.stdin, { end: false });
  return () => {
    stop();
    stdin?.unpipe(lines);
  };
}

const DEFAULT_CONTAINER_ANNOTATION = 'kubectl.kubernetes.io/default-container';

function containerName(pod: Pod, wanted: string | undefined): string {
  const names = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ name }) => name);
  const [first] = pod.spec.containers;
  const name =
    wanted || pod.metadata.annotations?.[DEFAULT_CONTAINER_ANNOTATION] || (pod.spec.containers.length === 1 ? first?.name : undefined);
  if (name === undefined) {
    const choose = `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${names.join(' ')}]`;
    throw new CodedError({ code: 'LAT3121', what: choose });
  }
  if (!names.includes(name)) {
    throw new CodedError({ code: 'LAT3121', what: `container ${name} is not valid for pod ${pod.metadata.name}` });
  }
  return name;
}

function restartsOf(pod: Pod, name: string, container: PodContainer | undefined): number {
  const stored = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return (container?.status() ?? stored.find((status) => status.name === name))?.restartCount ?? 0;
}

function notRunning(pod: Pod, container: string): CodedError {
  return new CodedError({
    code: 'LAT3122',
    what: container
      ? `container ${JSON.stringify(container)} of pod ${pod.metadata.name} is not running`
      : `pod ${pod.metadata.name} is not running`,
  });
}

function noLog(pod: Pod, container: string, previous: boolean): CodedError {
  const what = previous
    ? `previous terminated container ${JSON.stringify(container)} in pod ${JSON.stringify(pod.metadata.name)} not found`
    : `container ${JSON.stringify(container)} in pod ${JSON.stringify(pod.metadata.name)} is waiting to start`;
  return new CodedError({ code: 'LAT3123', what });
}
