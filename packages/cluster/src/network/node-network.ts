import { NODE_IP } from './addresses.ts';
import { egressTable } from './egress-rules.ts';
import { NETLINK_NETFILTER, type NetlinkSocket, openNetlink } from './kernel/netlink.ts';
import { addNatTable } from './kernel/nftables.ts';
import { addAddress, addLocalPrefix, LOOPBACK_INDEX, setLinkUp } from './kernel/route.ts';

/** Prepares the node's namespace: its address, every ClusterIP as an address of its own, and the redirection of egress. */
export function setUpNode(links: NetlinkSocket): void {
  links.request([setLinkUp(LOOPBACK_INDEX), addAddress(LOOPBACK_INDEX, NODE_IP), addLocalPrefix('10.96.0.0', 16)]);
  const netfilter = openNetlink(NETLINK_NETFILTER);
  try {
    netfilter.request(addNatTable(egressTable()));
  } finally {
    netfilter.close();
  }
}
