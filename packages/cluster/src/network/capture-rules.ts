// Istio's redirection rules (what istio-init programs with iptables in REDIRECT mode), as nat rules of a pod's namespace.

import { type Cidr, CodedError, parseCidr } from '@lateen/base';
import type { CaptureRules } from '../contracts.ts';
import type { Match, NatTable, Rule, Verdict } from './kernel/nftables.ts';
import { LOOPBACK_INDEX } from './kernel/route.ts';
import type { SocketIdentity } from './kernel/sockets.ts';

const HBONE_PORT = 15008;
/** Telemetry, health and merged-metrics ports of the sidecar. */
const SIDECAR_PORTS = [15090, 15021, 15020];

const onLoopback: Match = { on: 'outputInterface', value: LOOPBACK_INDEX };
const passthroughSource = host('127.0.0.6');
const localhost = host('127.0.0.1');
const RETURN: Verdict = { kind: 'return' };

/** What injection asks for when nothing is configured. */
export const DEFAULT_CAPTURE_RULES: CaptureRules = {
  outboundPort: 15001,
  inboundPort: 15006,
  proxyUid: 1337,
  proxyGid: 1337,
  includeOutboundCidrs: '*',
  excludeOutboundCidrs: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  includeInboundPorts: '*',
  excludeInboundPorts: [],
};

/** `exemption` says how the sidecar's own traffic is recognised; in a user namespace one mark stands for user and group. */
export function captureTable(rules: CaptureRules, exemption: SocketIdentity): NatTable {
  return {
    name: 'istio',
    chains: [
      { name: 'ISTIO_REDIRECT' },
      { name: 'ISTIO_IN_REDIRECT' },
      { name: 'ISTIO_INBOUND' },
      { name: 'ISTIO_OUTPUT' },
      { name: 'PREROUTING', hook: 'prerouting' },
      { name: 'OUTPUT', hook: 'output' },
    ],
    rules: [
      { chain: 'ISTIO_REDIRECT', matches: [{ on: 'tcp' }], verdict: { kind: 'redirect', port: rules.outboundPort } },
      { chain: 'ISTIO_IN_REDIRECT', matches: [{ on: 'tcp' }], verdict: { kind: 'redirect', port: rules.inboundPort } },
      { chain: 'PREROUTING', matches: [{ on: 'tcp' }], verdict: { kind: 'jump', chain: 'ISTIO_INBOUND' } },
      { chain: 'OUTPUT', matches: [{ on: 'tcp' }], verdict: { kind: 'jump', chain: 'ISTIO_OUTPUT' } },
      ...inboundRules(rules).map((rule) => ({ chain: 'ISTIO_INBOUND', ...rule })),
      ...outboundRules(rules, exemption).map((rule) => ({ chain: 'ISTIO_OUTPUT', ...rule })),
    ],
  };
}

type ChainRule = Omit<Rule, 'chain'>;

function inboundRules(rules: CaptureRules): ChainRule[] {
  const redirect: Verdict = { kind: 'jump', chain: 'ISTIO_IN_REDIRECT' };
  const hbone: ChainRule = { matches: [toPort(HBONE_PORT)], verdict: RETURN };
  if (rules.includeInboundPorts !== '*') {
    return [hbone, ...rules.includeInboundPorts.map((port) => ({ matches: [toPort(port)], verdict: redirect }))];
  }
  const excluded = [...new Set([...SIDECAR_PORTS, ...rules.excludeInboundPorts])];
  return [hbone, ...excluded.map((port) => ({ matches: [toPort(port)], verdict: RETURN })), { matches: [], verdict: redirect }];
}

function outboundRules(rules: CaptureRules, exemption: SocketIdentity): ChainRule[] {
  const redirect: Verdict = { kind: 'jump', chain: 'ISTIO_REDIRECT' };
  const own: Match[] =
    exemption.by === 'mark'
      ? [{ on: 'mark', value: exemption.mark }]
      : [
          { on: 'socketUid', value: exemption.uid },
          { on: 'socketGid', value: exemption.gid },
        ];
  return [
    ...rules.excludeOutboundPorts.map((port) => ({ matches: [toPort(port)], verdict: RETURN })),
    // The sidecar hands an inbound connection to the app.
    { matches: [onLoopback, { on: 'sourceAddress', cidr: passthroughSource }], verdict: RETURN },
    ...own.flatMap((sidecar): ChainRule[] => [
      // App -> sidecar -> own pod address: in through the inbound listener, as from anywhere else.
      {
        matches: [
          onLoopback,
          { on: 'destinationAddress', cidr: localhost, negate: true },
          { ...toPort(HBONE_PORT), negate: true },
          sidecar,
        ],
        verdict: { kind: 'jump', chain: 'ISTIO_IN_REDIRECT' },
      },
      { matches: [onLoopback, { ...sidecar, negate: true }], verdict: RETURN },
      { matches: [sidecar], verdict: RETURN },
    ]),
    { matches: [{ on: 'destinationAddress', cidr: localhost }], verdict: RETURN },
    ...rules.excludeOutboundCidrs.map((cidr) => ({ matches: [to(cidr)], verdict: RETURN })),
    ...rules.includeOutboundPorts.map((port) => ({ matches: [toPort(port)], verdict: redirect })),
    ...(rules.includeOutboundCidrs === '*'
      ? [{ matches: [], verdict: redirect }]
      : rules.includeOutboundCidrs.map((cidr) => ({ matches: [to(cidr)], verdict: redirect }))),
  ];
}

const toPort = (port: number): Match & { on: 'destinationPort' } => ({ on: 'destinationPort', port });
const to = (cidr: string): Match => ({ on: 'destinationAddress', cidr: requireCidr(cidr) });

function host(ip: string): Cidr {
  return requireCidr(`${ip}/32`);
}

function requireCidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed.ok && parsed.value.bytes.length === 4) return parsed.value;
  throw new CodedError({
    code: 'LAT4104',
    what: `invalid IP range ${JSON.stringify(text)} for traffic capture`,
    why: parsed.ok ? 'only IPv4 is captured' : parsed.error,
    fix: 'correct the annotation traffic.sidecar.istio.io/includeOutboundIPRanges or excludeOutboundIPRanges',
  });
}
