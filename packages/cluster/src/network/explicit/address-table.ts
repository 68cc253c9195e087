// Proxy mode: pod addresses and ClusterIPs exist only here. Every (pod, port) is some port on the host's loopback, and a connection
// "redirected" to a sidecar carries its original destination in a side table, keyed by the two ends' ports: both ends are in
// this process.

import { connect, type OnReadOpts, type Server, Socket } from 'node:net';
import { cidrContains, parseCidr, parseIp, type SocketAddress } from '@lateen/base';
import type { CaptureRules, ServiceTableEntry } from '../../contracts.ts';
import { openServer } from '../host-access.ts';

const LOOPBACK = '127.0.0.1';
const SIDECAR_PORTS = [15008, 15020, 15021, 15090];
// Below the ephemeral ranges of Linux and macOS, so that outgoing connections do not take them.
const [FIRST_APP_PORT, LAST_APP_PORT] = [20_000, 29_999] as const;

export type PodEntry = {
  readonly ip: string;
  /** Set once the pod's traffic belongs to its sidecar. */
  rules: CaptureRules | undefined;
  /** Ports that the sidecar listens on, and where really. */
  readonly listeners: Map<number, number>;
  /** Declared container ports, and where the app was told to listen. */
  readonly appPorts: Map<number, number>;
};

export type ConnectOptions = { onread?: OnReadOpts };

export type AddressTable = {
  readonly pods: Map<string, PodEntry>;
  setServices(table: ServiceTableEntry[]): void;
  /**
   * A free port on loopback for an app to listen on, not handed out twice while it is held. The declared port itself if it can be
   * had: then one replica of an app that does not read PORT works too.
   */
  allocatePort(declared: number): Promise<number>;
  releasePort(port: number): void;
  /** Connects as a client outside of any pod does: a captured pod's sidecar sees the connection first. */
  connect(address: SocketAddress, options?: ConnectOptions): Socket;
  /** Connects to what listens inside the pod on `port`: a listener of the sidecar, or the app. */
  connectInside(pod: PodEntry, port: number, options?: ConnectOptions): Socket;
  /** Connects as an app of the pod does: through its sidecar, unless it has none or the destination is excluded. */
  connectFrom(pod: PodEntry, address: SocketAddress): Socket;
  /** Where the other end of this connection was going before it was handed to a sidecar. */
  originalDestination(socket: Socket): SocketAddress | undefined;
  /** The loopback port behind a pod's port, if any. */
  realPort(pod: PodEntry, port: number): number | undefined;
};

export type AddressTableOptions = {
  /** ClusterIPs that are served by this process itself: `ip:port` to a loopback port. */
  builtin: ReadonlyMap<string, number>;
};

export function createAddressTable({ builtin }: AddressTableOptions): AddressTable {
  const pods = new Map<string, PodEntry>();
  const destinations = new Map<string, SocketAddress>();
  const heldPorts = new Set<number>();
  let backends = new Map<string, { targets: SocketAddress[]; next: number }>();
  let nextPort: number = FIRST_APP_PORT;

  const connectMarked = (port: number, destination: SocketAddress, options: ConnectOptions): Socket => {
    const socket = connectLoopback(port, options);
    // Node makes the connect call on the next tick; right after it, and before anybody can accept, our port is known.
    process.nextTick(() => {
      const { port: ours } = socket.address() as { port?: number };
      if (ours === undefined || socket.destroyed) return;
      const key = `${ours}>${port}`;
      destinations.set(key, destination);
      socket.once('close', () => destinations.delete(key));
    });
    return socket;
  };
  const realPort = (pod: PodEntry, port: number) => pod.listeners.get(port) ?? pod.appPorts.get(port);
  const connectInside = (pod: PodEntry, port: number, options: ConnectOptions = {}): Socket => {
    const real = realPort(pod, port);
    return real === undefined ? refusedSocket({ host: pod.ip, port }) : connectLoopback(real, options);
  };
  const connectPod = (pod: PodEntry, port: number, options: ConnectOptions): Socket => {
    if (!pod.rules || !isCapturedInbound(pod.rules, port)) return connectInside(pod, port, options);
    const sidecar = pod.listeners.get(pod.rules.inboundPort);
    const destination = { host: pod.ip, port };
    return sidecar === undefined ? refusedSocket(destination) : connectMarked(sidecar, destination, options);
  };
  const connectAny = (address: SocketAddress, options: ConnectOptions = {}): Socket => {
    const pod = pods.get(address.host);
    if (pod) return connectPod(pod, address.port, options);
    const key = `${address.host}:${address.port}`;
    const local = builtin.get(key);
    if (local !== undefined) return connectLoopback(local, options);
    const backend = backends.get(key);
    if (backend) {
      const target = backend.targets[backend.next++ % backend.targets.length] as SocketAddress;
      const targetPod = pods.get(target.host);
      return targetPod ? connectPod(targetPod, target.port, options) : connectDirect(target, options);
    }
    return isClusterAddress(address.host) ? refusedSocket(address) : connectDirect(address, options);
  };

  const holdPort = async (port: number): Promise<boolean> => {
    if (heldPorts.has(port)) return false;
    heldPorts.add(port);
    const server = await openServer({ host: LOOPBACK, port }).catch(() => undefined);
    if (server) await closed(server);
    else heldPorts.delete(port);
    return server !== undefined;
  };

  return {
    pods,
    realPort,
    connectInside,
    connect: connectAny,
    setServices(table) {
      const fresh: typeof backends = new Map();
      for (const { clusterIP, ports } of table) {
        for (const { port, protocol, targets } of ports) {
          const key = `${clusterIP}:${port}`;
          if (clusterIP !== undefined && protocol === 'TCP' && targets.length > 0)
            fresh.set(key, { targets, next: backends.get(key)?.next ?? 0 });
        }
      }
      backends = fresh;
    },
    async allocatePort(declared) {
      if (await holdPort(declared)) return declared;
      for (let tries = FIRST_APP_PORT; tries <= LAST_APP_PORT; tries++) {
        const port = nextPort;
        nextPort = nextPort === LAST_APP_PORT ? FIRST_APP_PORT : nextPort + 1;
        if (await holdPort(port)) return port;
      }
      throw new Error('no port is free on loopback');
    },
    releasePort: (port) => void heldPorts.delete(port),
    connectFrom(pod, address) {
      if (!pod.rules || !isCapturedOutbound(pod.rules, address)) return connectAny(address);
      const sidecar = pod.listeners.get(pod.rules.outboundPort);
      return sidecar === undefined ? refusedSocket(address) : connectMarked(sidecar, address, {});
    },
    originalDestination: (socket) => destinations.get(`${socket.remotePort}>${socket.localPort}`),
  };
}

const connectLoopback = (port: number, options: ConnectOptions): Socket => connectDirect({ host: LOOPBACK, port }, options);
const connectDirect = ({ host, port }: SocketAddress, { onread }: ConnectOptions): Socket =>
  connect({ host, port, noDelay: true, ...(onread ? { onread } : {}) });

/** A socket that fails as one does that nobody listens for. */
function refusedSocket({ host, port }: SocketAddress): Socket {
  const socket = new Socket();
  const error = Object.assign(new Error(`connect ECONNREFUSED ${host}:${port}`), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
    address: host,
    port,
  });
  process.nextTick(() => socket.destroy(error));
  return socket;
}

const closed = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()));

/** Pod address or ClusterIP, known or not. */
export const isClusterAddress = (host: string) => host.startsWith('10.244.') || host.startsWith('10.96.');

function isCapturedInbound(rules: CaptureRules, port: number): boolean {
  if (SIDECAR_PORTS.includes(port)) return false;
  if (rules.includeInboundPorts !== '*') return rules.includeInboundPorts.includes(port);
  return !rules.excludeInboundPorts.includes(port);
}

function isCapturedOutbound(rules: CaptureRules, { host, port }: SocketAddress): boolean {
  if (rules.excludeOutboundPorts.includes(port) || host.startsWith('127.')) return false;
  const ip = parseIp(host);
  const within = (range: string) => {
    const cidr = parseCidr(range);
    return ip !== undefined && cidr.ok && cidrContains(cidr.value, ip);
  };
  if (rules.excludeOutboundCidrs.some(within)) return false;
  if (rules.includeOutboundCidrs === '*' || rules.includeOutboundPorts.includes(port)) return true;
  return rules.includeOutboundCidrs.some(within);
}
