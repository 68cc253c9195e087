// From a container's spec to its running process or builtin: image, environment, mounts, user, command line.

import { CodedError } from '@lateen/base';
import type { Container, Pod } from '@lateen/kube/types';
import type { BuiltinContainer, PodSandbox } from '../contracts.ts';
import { captureContainer } from './capture-container.ts';
import { COMMAND_ANNOTATION_PREFIX, commandLine, findImage } from './command-line.ts';
import { configurationError } from './configuration-source.ts';
import { type ContainerLog, createContainerLog } from './container-log.ts';
import { type ContainerRun, type ProcessRunRequest, startBuiltinRun, startProcessRun } from './container-run.ts';
import type { PodFacts } from './downward-api.ts';
import { buildEnvironment } from './environment.ts';
import type { ResolvedImage } from './image-catalogue.ts';
import { pathRewriter } from './mount-rewrite.ts';
import { containerLogPath, podDirectory } from './pod-paths.ts';
import type { Mount, PodVolumes } from './pod-volumes.ts';
import type { PodWorkerDeps } from './pod-worker-deps.ts';
import { openingMounts, programMounts } from './program-mounts.ts';

/** The pod's running surroundings that its containers share. */
export type PodContext = {
  pod: Pod;
  sandbox: PodSandbox;
  volumes: PodVolumes;
  facts: PodFacts;
  /** The generated hosts file, or undefined where nothing can be mounted. */
  hostsFile: string | undefined;
};

/** What a process needs to be a process of this container: used for its own command and for exec. */
export type ProcessContext = Omit<ProcessRunRequest, 'argv' | 'stdin'> & {
  /** Makes container paths host paths where nothing can be mounted; the identity otherwise. */
  rewrite(text: string): string;
};

export type Launched = { run: ContainerRun; log: ContainerLog; process: ProcessContext; source: string; isBuiltin: boolean };

/** A reason why a container cannot start now, in the words of `kubectl get pods`. */
export function waitingReason(error: unknown): string {
  const code = error instanceof CodedError ? error.code : '';
  return code === 'LAT3102' ? 'ErrImageNeverPull' : code.startsWith('LAT311') ? 'CreateContainerConfigError' : 'CreateContainerError';
}

/** The image's local meaning. @throws CodedError LAT3102 for an image that nobody knows. */
export function requireImage(pod: Pod, container: Container, deps: PodWorkerDeps): ResolvedImage {
  const image = findImage(pod, container, deps.catalogue);
  if (image) return image;
  throw new CodedError({
    code: 'LAT3102',
    what: `Container image ${JSON.stringify(container.image ?? '')} is not in the image catalogue`,
    why: 'there is no container runtime here and nothing is downloaded',
    fix: `Put a line "- {image: NAME, entrypoint: [PROGRAM], description: TEXT}" in a file and start with "lateen up --images FILE", or set the pod annotation ${COMMAND_ANNOTATION_PREFIX}${container.name} to a command line.`,
  });
}

/** Starts a container. @throws CodedError (see `waitingReason`) when it cannot be started as things are. */
export async function launchContainer(
  container: Container,
  restartCount: number,
  given: { context: PodContext; deps: PodWorkerDeps },
): Promise<Launched> {
  const { context, deps } = given;
  const { pod, sandbox } = context;
  const image = requireImage(pod, container, deps);
  const builtin = image.builtin === undefined ? undefined : requireBuiltin(image.builtin, deps);
  const ports = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].flatMap((one) =>
    (one.ports ?? []).map((port) => port.containerPort),
  );
  const env = await buildEnvironment({
    container,
    facts: context.facts,
    source: deps.configuration,
    imageEnv: image.env,
    networkEnv: builtin ? {} : sandbox.environment(ports),
    services: deps.servicesOf(pod.metadata.namespace ?? ''),
    apiServer: deps.network.apiServer,
  });
  const argv = commandLine(container, image, env);
  if (!builtin && argv.length === 0) {
    throw configurationError(`container ${container.name} has no command: neither its spec nor ${image.source} names one`);
  }
  const mounts = await context.volumes.mountsOf(container, env);
  const process = processContext(container, {
    context,
    env,
    image,
    mounts,
    workingDir: image.workingDir,
    mode: deps.network.mode,
    scratch: podDirectory(deps.stateDir, pod),
  });
  const path = containerLogPath(deps.stateDir, pod, { container: container.name, restartCount });
  const log = createContainerLog({ path, clock: deps.clock });
  const { rewrite, ...shared } = process;
  const run = builtin
    ? startBuiltinRun(
        builtin,
        { pod, container, argv, env: Object.fromEntries(env), sandbox, mounts: new Map(mounts.map((m) => [m.target, m.source])) },
        log,
      )
    : startProcessRun(sandbox, { ...shared, argv: argv.map(rewrite), stdin: container.stdin ?? false }, log);
  return { run, log, process, source: image.source, isBuiltin: builtin !== undefined };
}

function requireBuiltin(name: string, deps: PodWorkerDeps): BuiltinContainer {
  const builtin = Object.hasOwn(deps.builtins, name) ? deps.builtins[name] : name === 'istio-init' ? captureContainer : undefined;
  if (!builtin)
    throw new CodedError({
      code: 'LAT3103',
      what: `the image catalogue names the builtin ${JSON.stringify(name)}, which this program does not have`,
    });
  return builtin;
}

type ProcessInput = {
  context: PodContext;
  env: ReadonlyMap<string, string>;
  image: ResolvedImage;
  mounts: Mount[];
  workingDir: string | undefined;
  mode: PodWorkerDeps['network']['mode'];
  /** A folder of the pod's own on the host. */
  scratch: string;
};

function processContext(container: Container, { context, env, image, mounts, workingDir, mode, scratch }: ProcessInput): ProcessContext {
  const { pod, hostsFile } = context;
  const user = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
  const openings = mode === 'root' && user ? openingMounts(image, user, scratch) : [];
  const program = programMounts(image, [...openings, ...mounts]);
  const kept = program.map(({ source }) => source);
  const rewrite = mode === 'proxy' ? pathRewriter(mounts, kept) : (text: string) => text;
  const own = mounts.some(({ target }) => target === '/etc/hosts');
  const hosts = hostsFile === undefined || own ? [] : [{ source: hostsFile, target: '/etc/hosts', readOnly: false }];
  const group = container.securityContext?.runAsGroup ?? pod.spec.securityContext?.runAsGroup;
  const cwd = container.workingDir ?? workingDir ?? '/';
  return {
    rewrite,
    env: Object.fromEntries([...env].map(([name, value]) => [name, rewrite(value)])),
    mounts: mode === 'proxy' ? mounts : [...hosts, ...openings, ...mounts, ...program],
    hostname: pod.spec.hostname ?? pod.metadata.name,
    cwd: rewrite(cwd),
    ...(user !== undefined && { runAsUser: user }),
    ...(group !== undefined && { runAsGroup: group }),
  };
}
