// Where a listener is bound, and what its connections get from the kernel.

import { parseIp } from '@lateen/base';
import type { Address, Listener } from '@lateen/xds/messages/proxy';
import type { ListenerAddress, ListenerRuntime } from '../model.ts';
import type { Report } from './report.ts';
import { socketAddressOf } from './values.ts';

export function compileListenerAddress(message: Address | undefined, report: Report): ListenerAddress | undefined {
  if (message?.address.case === 'pipe') return compilePipe(message.address.value.path, message.address.value.mode, report.at('pipe'));
  const address = socketAddressOf(message, report);
  if (!address || message?.address.case !== 'socketAddress') return undefined;
  const at = report.at('socket_address');
  if (!parseIp(address.host)) at.at('address').refuse(`malformed IP address: ${address.host}`);
  const { ipv4Compat } = message.address.value;
  const isMapped = address.host.toLowerCase().startsWith('::ffff:');
  if (ipv4Compat && address.host !== '::' && !isMapped) at.at('ipv4_compat').refuse('only "::" and IPv4-mapped addresses have it');
  return { ...address, isIpv6Only: address.host.includes(':') && !ipv4Compat && !isMapped };
}

/** What is set for one address only is not supported. */
export function compileAdditionalAddress(message: Listener['additionalAddresses'][number], report: Report): ListenerAddress | undefined {
  if ((message.socketOptions?.socketOptions.length ?? 0) > 0) report.at('socket_options').refuse('is not supported');
  if (message.tcpKeepalive) report.at('tcp_keepalive').refuse('is not supported');
  return compileListenerAddress(message.address, report.at('address'));
}

/** A path of a socket in the file system has to fit into sockaddr_un. */
const MAX_PATH = 107;

function compilePipe(path: string, mode: number, report: Report): ListenerAddress | undefined {
  if (path.startsWith('/') && path.length <= MAX_PATH) return { host: path, port: 0, isIpv6Only: false, mode };
  report.at('path').refuse(path.startsWith('@') ? 'abstract sockets are not supported' : `must be absolute, of at most ${MAX_PATH} bytes`);
  return undefined;
}

// Of Linux. TCP_NODELAY is always set.
const SOL_SOCKET = 1n;
const SO_KEEPALIVE = 9n;
const IPPROTO_TCP = 6n;
const TCP_NODELAY = 1n;
const TCP_KEEPIDLE = 4n;
const TCP_KEEPINTVL = 5n;
const TCP_KEEPCNT = 6n;

/** Kernel's defaults for what the options leave out. */
const KEEPALIVE = { idleMs: 7_200_000, intervalMs: 75_000, probes: 9 };

/** Keepalive of connections, which is what socket options of listeners are used for; others are refused. */
export function compileKeepalive({ socketOptions: options, tcpKeepalive }: Listener, report: Report): ListenerRuntime['keepalive'] {
  let isOn = tcpKeepalive !== undefined;
  const keepalive = { ...KEEPALIVE };
  if (tcpKeepalive?.keepaliveTime) keepalive.idleMs = tcpKeepalive.keepaliveTime * 1000;
  if (tcpKeepalive?.keepaliveInterval) keepalive.intervalMs = tcpKeepalive.keepaliveInterval * 1000;
  if (tcpKeepalive?.keepaliveProbes) keepalive.probes = tcpKeepalive.keepaliveProbes;
  for (const [i, { level, name, value }] of options.entries()) {
    const number = value.case === 'intValue' ? Number(value.value) : Number.NaN;
    if (level === SOL_SOCKET && name === SO_KEEPALIVE) isOn = number === 1;
    else if (level === IPPROTO_TCP && name === TCP_KEEPIDLE) keepalive.idleMs = number * 1000;
    else if (level === IPPROTO_TCP && name === TCP_KEEPINTVL) keepalive.intervalMs = number * 1000;
    else if (level === IPPROTO_TCP && name === TCP_KEEPCNT) keepalive.probes = number;
    else if (level !== IPPROTO_TCP || name !== TCP_NODELAY) {
      report.at('socket_options', i).refuse('only SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT and TCP_NODELAY are supported');
    }
    if (!(number >= 0)) report.at('socket_options', i).at('int_value').refuse('is required');
  }
  return isOn ? keepalive : undefined;
}
