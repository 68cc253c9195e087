// The PROXY header that this proxy sends to an upstream which asks for one.

import type { ConnectionInfo } from '../http/request-view.ts';
import type { UpstreamProxyProtocol } from '../runtime/model.ts';
import { writeProxyHeader } from './write.ts';

/**
 * Tells the upstream whose connection it is. Without a downstream connection (health checks, shared pools) version 2 says LOCAL and
 * version 1 UNKNOWN: the proxy speaks for itself.
 */
export function upstreamHeader({ version, passesTlv }: UpstreamProxyProtocol, downstream: ConnectionInfo | undefined): Buffer {
  if (!downstream) return writeProxyHeader({ version, addresses: undefined, tlvs: [] });
  return writeProxyHeader({
    version,
    addresses: {
      source: { host: downstream.remoteIp, port: downstream.remotePort },
      destination: { host: downstream.localIp, port: downstream.localPort },
    },
    tlvs: (downstream.proxyHeader?.tlvs ?? []).filter(({ type }) => passesTlv(type)),
  });
}
