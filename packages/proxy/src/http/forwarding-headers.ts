// What the connection manager does to a request's headers before any filter sees them: who the client is, what a stranger may
// not say, the request id. As Envoy's mutateRequestHeaders.

import type { HcmRuntime } from '../runtime/model.ts';
import { addressFromRight, detectClient } from './client-address.ts';
import type { HcmContext, NodeIdentity } from './context.ts';
import { settleForwardedClientCert } from './forwarded-client-cert.ts';
import type { Head } from './head.ts';
import { knownId } from './known-headers.ts';
import { isReferer } from './referer.ts';
import type { ConnectionInfo } from './request-view.ts';

/** Only the proxies inside may set these. */
const INTERNAL_HEADERS = [
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-external-address',
  'x-envoy-force-trace',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-internal',
  'x-envoy-ip-tags',
  'x-envoy-max-retries',
  'x-envoy-original-host',
  'x-envoy-original-path',
  'x-envoy-original-url',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-stream-duration-ms',
] as const;
const INTERNAL_IDS = INTERNAL_HEADERS.map(knownId);
/** Of these, what other proxies inside may have set and a proxy between them leaves alone. */
const EDGE_ONLY: ReadonlySet<string> = new Set([
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-external-address',
  'x-envoy-original-host',
  'x-envoy-original-path',
]);

const REFERER = knownId('referer');
const REQUEST_ID = knownId('x-request-id');
const FORWARDED_FOR = knownId('x-forwarded-for');
const FORWARDED_PROTO = knownId('x-forwarded-proto');
const EXTERNAL_ADDRESS = knownId('x-envoy-external-address');

export type ClientFacts = {
  scheme: string;
  /** The client as settled: "ip:port", or "ip:0" when it is known from headers only. */
  remoteAddress: string;
  /** The client is one of the addresses that the configuration calls internal. */
  isInternal: boolean;
  /** Status for a request whose client cannot be told, where the configuration wants that. */
  rejectStatus: number | undefined;
};

/** Sanitises and completes the headers of a request; writes what was settled to `facts`. */
export function prepareRequestHeaders(head: Head, context: HcmContext, connection: ConnectionInfo, facts: ClientFacts): void {
  const { hcm, proxy } = context;
  if (head.known(REFERER) >= 0 && !isReferer(head.value('referer') ?? '')) head.remove('referer');
  const mayBeInternal = settleAddress(head, hcm, connection, facts);
  const isInternal = mayBeInternal && (hcm.isInternalAddress?.(ipOf(facts.remoteAddress)) ?? false);
  facts.isInternal = isInternal;
  const isEdge = hcm.useRemoteAddress && !isInternal;
  if (!isInternal) removeInternalHeaders(head, context, isEdge);
  if (isEdge && hasIp(connection)) {
    const ip = facts.remoteAddress === connection.remoteAddress ? connection.remoteIp : ipOf(facts.remoteAddress);
    head.setKnown(EXTERNAL_ADDRESS, 'x-envoy-external-address', ip);
  }
  settleProto(head, context, connection, facts);
  if (hcm.appendXForwardedPort && !head.has('x-forwarded-port')) head.add('x-forwarded-port', String(connection.localPort));
  settleForwardedClientCert(head, hcm.forwardClientCert, connection.tls);
  const hasId = head.known(REQUEST_ID) >= 0;
  if (hasId && isEdge && !hcm.preserveExternalRequestId && hcm.generateRequestId) head.set('x-request-id', proxy.newRequestId());
  else if (!hasId && hcm.generateRequestId) head.add('x-request-id', proxy.newRequestId());
  if (isInternal) head.set('x-envoy-internal', 'true');
  if (hcm.addUserAgent) nameProxy(head, proxy.node);
  if (hcm.via !== '') head.set('via', joined(head.value('via'), hcm.via));
}

const joined = (told: string | undefined, own: string): string => (told === undefined ? own : `${told}, ${own}`);

function removeInternalHeaders(head: Head, { hcm, proxy }: HcmContext, isEdge: boolean): void {
  if (head.hasEnvoyHeaders) {
    for (let i = 0; i < INTERNAL_IDS.length; i++) {
      const name = INTERNAL_HEADERS[i] as (typeof INTERNAL_HEADERS)[number];
      if ((isEdge || !EDGE_ONLY.has(name)) && head.known(INTERNAL_IDS[i] as number) >= 0) head.remove(name);
    }
  }
  const table = hcm.routes.kind === 'inline' ? hcm.routes.table : proxy.runtime().routes.get(hcm.routes.name);
  if (table && table.internalOnlyHeaders.length > 0) for (const name of table.internalOnlyHeaders) head.remove(name);
}

function nameProxy(head: Head, node: NodeIdentity): void {
  head.set('x-envoy-downstream-service-cluster', node.cluster);
  if (!head.value('user-agent')) head.set('user-agent', node.cluster);
  if (node.id !== '') head.set('x-envoy-downstream-service-node', node.id);
}

/** Returns whether the address may make the request an internal one: it is the only one that was told. */
function settleAddress(head: Head, hcm: HcmRuntime, connection: ConnectionInfo, facts: ClientFacts): boolean {
  facts.remoteAddress = connection.remoteAddress;
  if (hcm.ipDetection.length > 0) {
    const { address, isTrusted, rejectStatus, appendsPeer } = detectClient(head, hcm.ipDetection, connection.remoteIp);
    if (appendsPeer) appendPeer(head, head.value('x-forwarded-for'), connection);
    facts.remoteAddress = address ?? facts.remoteAddress;
    facts.rejectStatus = rejectStatus;
    return isTrusted;
  }
  const told = head.known(FORWARDED_FOR) >= 0 ? head.value('x-forwarded-for') : undefined;
  // Envoy has one line of it.
  if (told !== undefined && head.hasRepeats) head.set('x-forwarded-for', told);
  if (!hcm.useRemoteAddress) {
    if (told === undefined) return false;
    const address = addressFromRight(told, hcm.xffNumTrustedHops);
    facts.remoteAddress = address ?? facts.remoteAddress;
    return address !== undefined && !told.includes(',');
  }
  if (hcm.xffNumTrustedHops > 0 && told !== undefined) {
    facts.remoteAddress = addressFromRight(told, hcm.xffNumTrustedHops - 1) ?? facts.remoteAddress;
  }
  if (!hcm.skipXffAppend) appendPeer(head, told, connection);
  return told === undefined;
}

function appendPeer(head: Head, told: string | undefined, connection: ConnectionInfo): void {
  if (!hasIp(connection)) return;
  if (told === undefined) head.add('x-forwarded-for', connection.remoteIp);
  else head.set('x-forwarded-for', told === '' ? connection.remoteIp : `${told},${connection.remoteIp}`);
}

function settleProto(head: Head, context: HcmContext, connection: ConnectionInfo, facts: ClientFacts): void {
  const { hcm } = context;
  const own = connection.transportProtocol === 'tls' ? 'https' : 'http';
  const line = head.known(FORWARDED_PROTO);
  const told = line >= 0 ? head.lineValue(line) : undefined;
  const trusts = !hcm.useRemoteAddress || hcm.xffNumTrustedHops > 0;
  const isKept = told !== undefined && trusts;
  facts.scheme = hcm.schemeToOverwrite || (isKept && (told === 'http' || told === 'https') ? told : own);
  const forwarded = isKept && hcm.schemeToOverwrite === '' ? told : facts.scheme;
  if (told !== forwarded) head.setKnown(FORWARDED_PROTO, 'x-forwarded-proto', forwarded);
}

/** Whoever comes over a Unix domain socket has a path instead. */
const hasIp = ({ remoteIp }: ConnectionInfo): boolean => remoteIp.charCodeAt(0) !== 47;

/** "ip:port" without the port and brackets. */
export const ipOf = (address: string): string => address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
