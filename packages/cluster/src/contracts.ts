// The seams between the parts of the embedded cluster: API server, node agent, network. Each part is built against these
// types alone, and `cluster.ts` puts them together.

import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Server, Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { SocketAddress, Transport } from '@lateen/base';
import type { Container, Pod } from '@lateen/kube/types';

// ---- network -------------------------------------------------------------------------------------------------------------

/** The rungs of the ladder. `proxy` has no namespaces: apps are told an explicit proxy, and nothing is captured. */
export type NetworkMode = 'root' | 'rootless' | 'proxy';

export type ServicePortTable = {
  name: string;
  protocol: 'TCP' | 'UDP';
  port: number;
  /** Ready endpoints, already resolved to pod address and target port. */
  targets: SocketAddress[];
};

export type ServiceTableEntry = {
  namespace: string;
  name: string;
  /** Undefined for headless and ExternalName services. */
  clusterIP: string | undefined;
  externalName: string | undefined;
  /** All ready pod addresses, for headless DNS; `hostname` gives POD.SERVICE.NS.svc. */
  addresses: { ip: string; hostname: string | undefined }[];
  ports: ServicePortTable[];
  /** Wants an address on the host's loopback. */
  loadBalancer: boolean;
};

export type LoadBalancerAddress = {
  /** What goes to status.loadBalancer.ingress[0].hostname, e.g. "localhost" or "127.0.0.2". */
  hostname: string;
  /** Service ports that answer there, and those that could not be bound, with the reason. */
  bound: number[];
  refused: { port: number; reason: string }[];
};

/** What istio-init would be told; see Istio's istio-iptables flags. */
export type CaptureRules = {
  outboundPort: number;
  inboundPort: number;
  /** Traffic of this user and group is not captured (1337). */
  proxyUid: number;
  proxyGid: number;
  /** "*" or CIDRs. */
  includeOutboundCidrs: string[] | '*';
  excludeOutboundCidrs: string[];
  includeOutboundPorts: number[];
  excludeOutboundPorts: number[];
  includeInboundPorts: number[] | '*';
  excludeInboundPorts: number[];
};

export type PodProcessRequest = {
  argv: string[];
  env: Record<string, string>;
  cwd?: string;
  /** Bind mounts into the pod's mount namespace: host path onto path. In proxy mode they cannot be made; `node` then rewrites paths or fails the pod. */
  mounts: { source: string; target: string; readOnly: boolean }[];
  hostname: string;
  runAsUser?: number;
  runAsGroup?: number;
  stdio: StdioOptions;
};

/** One pod's network (and the way to start processes in it). */
export type PodSandbox = {
  readonly ip: string;
  /** Sockets inside the pod, exempt from capture (the sidecar's own). */
  readonly transport: Transport;
  /**
   * Starts a process inside the pod's network, mount, UTS and PID namespace (as far as the mode has them). It dies with this
   * process, whatever happens. In `proxy` mode the environment gains PORT and the proxy variables.
   */
  spawn(request: PodProcessRequest): ChildProcess;
  /** Installs the redirection rules. In `proxy` mode: starts the explicit-proxy front for this pod. */
  capture(rules: CaptureRules): Promise<void>;
  /** Connects from the node to a port of this pod (probes, port-forward to localhost of the pod). */
  dialLocal(port: number): Promise<Socket>;
  /** Environment that a container needs in this mode (PORT, http_proxy, …); empty with namespaces. `containerPorts` are the pod's declared ports. */
  environment(containerPorts: number[]): Record<string, string>;
  destroy(): Promise<void>;
};

export type ClusterNetwork = {
  readonly mode: NetworkMode;
  /** Why this rung, one line for the banner. */
  readonly reason: string;
  createPod(pod: { uid: string; namespace: string; name: string; hostname: string; ports: number[] }): Promise<PodSandbox>;
  /** Level-based: the whole table each time. Resolves when listeners and DNS answer by it; gives the load balancers by "namespace/name". */
  syncServices(table: ServiceTableEntry[]): Promise<Map<string, LoadBalancerAddress>>;
  /** Connects from the node to a pod or cluster address (webhooks, probes). */
  dial(address: SocketAddress): Promise<Socket>;
  /** The address of a ClusterIP or pod as a client in this process must dial it with ordinary sockets (identity with namespaces). */
  resolve(address: SocketAddress): SocketAddress;
  /** IPv4 addresses of a name as a pod of the namespace would find them: cluster names first, then the host's resolver. Empty when there are none. */
  lookup(name: string, namespace: string): Promise<string[]>;
  /** Where pods find the API server: KUBERNETES_SERVICE_HOST and _PORT. */
  readonly apiServer: SocketAddress;
  /** A listening socket in the host's namespace on loopback, e.g. for kubectl. `port` 0 picks one. */
  listenOnHost(address: SocketAddress): Promise<Server>;
  close(): Promise<void>;
};

// ---- node agent ----------------------------------------------------------------------------------------------------------

export type PodRef = { namespace: string; name: string; container: string | undefined };

export type LogOptions = {
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  tailLines: number | undefined;
  sinceSeconds: number | undefined;
  sinceTime: string | undefined;
  limitBytes: number | undefined;
};

export type ExecStreams = {
  stdin: Readable | undefined;
  stdout: Writable | undefined;
  stderr: Writable | undefined;
  resize?: (onResize: (columns: number, rows: number) => void) => void;
};
export type ExecResult = { exitCode: number } | { error: string };

/** What the API server asks of a node (the kubelet's API). Errors are thrown as CodedError with a message fit for kubectl. */
export type NodeApi = {
  logs(pod: PodRef, options: LogOptions, signal: AbortSignal): Promise<Readable>;
  exec(pod: PodRef, command: string[], options: { tty: boolean }, streams: ExecStreams, signal: AbortSignal): Promise<ExecResult>;
  attach(pod: PodRef, options: { tty: boolean }, streams: ExecStreams, signal: AbortSignal): Promise<ExecResult>;
  portForward(pod: PodRef, port: number): Promise<Duplex>;
};

/** A container that runs inside this process instead of as a child (the sidecars, istio-init). */
export type BuiltinContainer = (context: {
  pod: Pod;
  container: Container;
  /** Entrypoint arguments: `command` + `args`. */
  argv: string[];
  env: Record<string, string>;
  sandbox: PodSandbox;
  /** Host paths of the container's volume mounts, by mount path. */
  mounts: ReadonlyMap<string, string>;
  /** Whole or partial lines for `kubectl logs`. */
  write(text: string): void;
  /** Aborted when the container must stop (SIGTERM); it has the grace period to resolve. */
  stop: AbortSignal;
}) => Promise<{ exitCode: number }>;

/** What an image name means on this machine. */
export type CatalogueEntry = {
  /** Repository path pattern without registry and tag: "*" matches within one segment, e.g. "examples-bookinfo-reviews-v*", "istio/proxyv2". Matched against the end of the image's repository. */
  image: string;
  /** Default command line (the image's entrypoint), used when the container has no `command`. `${node}` is this Node, `${here}` the catalogue file's folder, `${tag}` the tag. */
  entrypoint?: string[];
  /** Default arguments (the image's CMD), used when the container has neither `command` nor `args`. */
  cmd?: string[];
  env?: Record<string, string>;
  /** Runs in-process: the name of a BuiltinContainer. Excludes `entrypoint`. */
  builtin?: string;
  workingDir?: string;
  /** One line for `lateen images`. */
  description: string;
};
