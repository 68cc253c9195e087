// rtnetlink: the few link, address and route requests that a pod network needs. Each function builds one message; several are
// sent together by `NetlinkSocket.request`.

import { parseIp } from '@lateen/base';
import { attribute, cString, type NetlinkMessage, NLM_F_CREATE, NLM_F_EXCL, nested, u32 } from './netlink.ts';

const RTM_NEWLINK = 16;
const RTM_NEWADDR = 20;
const [RTM_NEWROUTE, RTM_DELROUTE] = [24, 25] as const;
const AF_INET = 2;
const IFF_UP = 1;
const [IFLA_IFNAME, IFLA_LINKINFO, IFLA_AF_SPEC, IFLA_NET_NS_FD] = [3, 18, 26, 28] as const;
const [IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER] = [1, 2, 1] as const;
const IFLA_INET_CONF = 1;
const [IPV4_DEVCONF_FORWARDING, IPV4_DEVCONF_RP_FILTER] = [1, 8] as const;
const [IFA_ADDRESS, IFA_LOCAL] = [1, 2] as const;
const [RTA_DST, RTA_OIF, RTA_GATEWAY] = [1, 4, 5] as const;
const RTNH_F_ONLINK = 4;
const RTPROT_BOOT = 3;

/** `lo` is always the first interface of a network namespace. */
export const LOOPBACK_INDEX = 1;

type LinkEnd = { name: string; index: number };

/** A veth pair, still down (neither end can come up before it has the other), the peer in another namespace. Interface indexes are ours to choose in namespaces that we made. */
export function addVeth(link: LinkEnd, peer: LinkEnd & { netnsFd: number }): NetlinkMessage {
  const peerAttributes = [attribute(IFLA_IFNAME, cString(peer.name)), attribute(IFLA_NET_NS_FD, u32(peer.netnsFd))];
  const peerInfo = attribute(VETH_INFO_PEER, Buffer.concat([linkHeader(peer.index, 'as it is'), ...peerAttributes]));
  return {
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    acknowledge: true,
    what: `add veth ${link.name}`,
    payload: Buffer.concat([
      linkHeader(link.index, 'as it is'),
      attribute(IFLA_IFNAME, cString(link.name)),
      nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, Buffer.from('veth')), nested(IFLA_INFO_DATA, peerInfo)),
    ]),
  };
}

export const setLinkUp = (index: number): NetlinkMessage => ({
  type: RTM_NEWLINK,
  flags: 0,
  acknowledge: true,
  what: `set link ${index} up`,
  payload: linkHeader(index),
});

/** Up, and forwarding packets that arrive there, without the global ip_forward (so /proc/sys may be read-only), and without a reverse path check. */
export const setForwarding = (index: number): NetlinkMessage => ({
  type: RTM_NEWLINK,
  flags: 0,
  acknowledge: true,
  what: `forward from link ${index}`,
  payload: Buffer.concat([
    linkHeader(index),
    nested(
      IFLA_AF_SPEC,
      nested(AF_INET, nested(IFLA_INET_CONF, attribute(IPV4_DEVCONF_FORWARDING, u32(1)), attribute(IPV4_DEVCONF_RP_FILTER, u32(0)))),
    ),
  ]),
});

/** `ip`/32 on a link. */
export function addAddress(index: number, ip: string): NetlinkMessage {
  const header = Buffer.alloc(8);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(32, 1);
  header.writeUInt32LE(index, 4);
  return {
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    acknowledge: true,
    what: `add address ${ip}`,
    payload: Buffer.concat([header, attribute(IFA_LOCAL, ipv4(ip)), attribute(IFA_ADDRESS, ipv4(ip))]),
  };
}

/** `ip`/32 is on the other side of the link. */
export const addHostRoute = (index: number, ip: string): NetlinkMessage => addRoute(hostRoute(index, ip));

/** Cuts off what `addHostRoute` made reachable. Unlike deleting the link it does not wait for the kernel's grace periods (35 ms). */
export const deleteHostRoute = (index: number, ip: string): NetlinkMessage => ({
  ...addRoute(hostRoute(index, ip)),
  type: RTM_DELROUTE,
  flags: 0,
  what: `delete route to ${ip}`,
});

const hostRoute = (index: number, ip: string): Route => ({
  index,
  destination: ip,
  prefixLength: 32,
  scope: RouteScope.link,
  type: RouteType.unicast,
  table: RouteTable.main,
});

/** Everything else goes to `gateway`, which needs no address in common with us. */
export const addDefaultRoute = (index: number, gateway: string): NetlinkMessage =>
  addRoute({ index, gateway, prefixLength: 0, scope: RouteScope.universe, type: RouteType.unicast, table: RouteTable.main });

/** AnyIP: every address of the prefix is ours, any of them can be bound. */
export const addLocalPrefix = (destination: string, prefixLength: number): NetlinkMessage =>
  addRoute({
    index: LOOPBACK_INDEX,
    destination,
    prefixLength,
    scope: RouteScope.host,
    type: RouteType.local,
    table: RouteTable.local,
  });

const RouteScope = { universe: 0, link: 253, host: 254 } as const;
const RouteType = { unicast: 1, local: 2 } as const;
const RouteTable = { main: 254, local: 255 } as const;

type Route = {
  index: number;
  destination?: string;
  gateway?: string;
  prefixLength: number;
  scope: number;
  type: number;
  table: number;
};

function addRoute(route: Route): NetlinkMessage {
  const header = Buffer.of(AF_INET, route.prefixLength, 0, 0, route.table, RTPROT_BOOT, route.scope, route.type, 0, 0, 0, 0);
  const attributes = [attribute(RTA_OIF, u32(route.index))];
  if (route.destination) attributes.push(attribute(RTA_DST, ipv4(route.destination)));
  if (route.gateway) {
    header.writeUInt32LE(RTNH_F_ONLINK, 8);
    attributes.push(attribute(RTA_GATEWAY, ipv4(route.gateway)));
  }
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    acknowledge: true,
    what: `add route to ${route.destination ?? 'default'}`,
    payload: Buffer.concat([header, ...attributes]),
  };
}

/** struct ifinfomsg that names a link. */
function linkHeader(index: number, state: 'up' | 'as it is' = 'up'): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  if (state === 'as it is') return header;
  header.writeUInt32LE(IFF_UP, 8);
  header.writeUInt32LE(IFF_UP, 12);
  return header;
}

/** Network-order bytes of an IPv4 address that this program made up itself. */
export function ipv4(text: string): Buffer {
  const bytes = parseIp(text);
  if (bytes?.length !== 4) throw new Error(`not an IPv4 address: ${text}`);
  return Buffer.from(bytes);
}
