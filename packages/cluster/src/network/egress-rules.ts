// TCP that leaves the cluster: redirected, on its way through the node's namespace, to a relay that dials from the host's.

import { parseCidr } from '@lateen/base';
import { NODE_IP, POD_PREFIX, SERVICE_PREFIX } from './addresses.ts';
import type { Match, NatTable } from './kernel/nftables.ts';

/** Port of the relay on the node's address. */
export const EGRESS_PORT = 15999;

export function egressTable(): NatTable {
  const outside = [POD_PREFIX, SERVICE_PREFIX, NODE_IP].map((prefix): Match => {
    const cidr = parseCidr(prefix);
    if (!cidr.ok) throw new Error(cidr.error);
    return { on: 'destinationAddress', cidr: cidr.value, negate: true };
  });
  return {
    name: 'egress',
    chains: [{ name: 'PREROUTING', hook: 'prerouting' }],
    rules: [{ chain: 'PREROUTING', matches: [{ on: 'tcp' }, ...outside], verdict: { kind: 'redirect', port: EGRESS_PORT } }],
  };
}
