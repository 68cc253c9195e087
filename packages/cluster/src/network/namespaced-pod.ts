// One pod of the root and rootless modes: a network namespace, its link to the node, its capture rules, its processes.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type Clock, CodedError } from '@lateen/base';
import type { CaptureRules, PodSandbox } from '../contracts.ts';
import { CLUSTER_DOMAIN, DNS_SERVER, NODE_IP } from './addresses.ts';
import { captureTable } from './capture-rules.ts';
import type { MountedFile } from './kernel/mounts.ts';
import { createNetns, insideNetns, type Netns } from './kernel/namespaces.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE, type NetlinkSocket, openNetlink } from './kernel/netlink.ts';
import { addNatTable } from './kernel/nftables.ts';
import {
  addAddress,
  addDefaultRoute,
  addHostRoute,
  addVeth,
  deleteHostRoute,
  LOOPBACK_INDEX,
  setForwarding,
  setLinkUp,
} from './kernel/route.ts';
import type { SocketIdentity } from './kernel/sockets.ts';
import { spawnInPod } from './pod-process.ts';
import { createPodTransport } from './pod-transport.ts';

/** Istio's user and group of the sidecar, and the mark that stands for them where they do not exist. */
const SIDECAR_ID = 1337;
const POD_LINK = { name: 'eth0', index: 2 };

export type NamespacedPodOptions = {
  pod: { namespace: string; name: string; hostname: string };
  ip: string;
  /** Index of the pod's link in the node's namespace; never used twice. */
  linkIndex: number;
  links: NetlinkSocket;
  mode: 'root' | 'rootless';
  clock: Clock;
  onDestroyed(): void;
};

/** What recognises the sidecar's sockets in this mode. */
export const exemptionOf = (mode: 'root' | 'rootless', rules?: CaptureRules): SocketIdentity =>
  mode === 'root'
    ? { by: 'owner', uid: rules?.proxyUid ?? SIDECAR_ID, gid: rules?.proxyGid ?? SIDECAR_ID }
    : { by: 'mark', mark: SIDECAR_ID };

export function createNamespacedPod(options: NamespacedPodOptions): PodSandbox {
  const { pod, ip, linkIndex, links, mode } = options;
  const netns = createNetns();
  try {
    connectPod(netns, options);
  } catch (error) {
    netns.close();
    throw error;
  }
  const transport = createPodTransport({ netns, identity: exemptionOf(mode) });
  const local = createPodTransport({ netns, identity: undefined });
  const files = podFiles(pod, ip);
  let destroyed = false;
  const requireAlive = () => {
    if (destroyed) throw new CodedError({ code: 'LAT4105', what: `the network of pod ${pod.namespace}/${pod.name} is gone` });
  };
  return {
    ip,
    transport,
    spawn(request) {
      requireAlive();
      return spawnInPod(request, { netns, changesUser: mode === 'root', files });
    },
    async capture(rules) {
      requireAlive();
      const netfilter = insideNetns(netns, () => openNetlink(NETLINK_NETFILTER));
      try {
        netfilter.request(addNatTable(captureTable(rules, exemptionOf(mode, rules))));
      } finally {
        netfilter.close();
      }
    },
    async dialLocal(port) {
      requireAlive();
      const socket = local.dial({ host: '127.0.0.1', port });
      await once(socket, 'connect');
      return socket;
    },
    environment: () => ({}),
    async destroy() {
      if (destroyed) return;
      destroyed = true;
      await transport.close();
      // Namespace and link may outlast this: they go with the last process and socket inside.
      links.request([deleteHostRoute(linkIndex, ip)]);
      netns.close();
      options.onDestroyed();
    },
  };
}

function connectPod(netns: Netns, { ip, linkIndex, links }: NamespacedPodOptions): void {
  links.request([
    addVeth({ name: `pod${linkIndex}`, index: linkIndex }, { ...POD_LINK, netnsFd: netns.fd }),
    setForwarding(linkIndex),
    addAddress(linkIndex, NODE_IP),
    addHostRoute(linkIndex, ip),
  ]);
  const inside = insideNetns(netns, () => {
    relaxSysctls();
    return openNetlink(NETLINK_ROUTE);
  });
  try {
    inside.request([
      setLinkUp(LOOPBACK_INDEX),
      setLinkUp(POD_LINK.index),
      addAddress(POD_LINK.index, ip),
      addDefaultRoute(POD_LINK.index, NODE_IP),
    ]);
  } finally {
    inside.close();
  }
}

// As container runtimes have it: any user may bind port 80 and ping. Where /proc/sys is read-only the pod works without.
function relaxSysctls(): void {
  const settings = { ip_unprivileged_port_start: '0', ping_group_range: '0 2147483647' };
  for (const [name, value] of Object.entries(settings)) {
    try {
      writeFileSync(`/proc/sys/net/ipv4/${name}`, value);
    } catch {
      return;
    }
  }
}

/** What the kubelet generates for a pod. */
function podFiles({ namespace, hostname }: NamespacedPodOptions['pod'], ip: string): MountedFile[] {
  const search = [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN].join(' ');
  return [
    { target: '/etc/resolv.conf', content: `search ${search}\nnameserver ${DNS_SERVER.host}\noptions ndots:5\n` },
    { target: '/etc/hosts', content: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${ip}\t${hostname}\n` },
    { target: '/etc/hostname', content: `${hostname}\n` },
  ];
}
