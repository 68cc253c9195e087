// What the connection manager does to a request's headers before any filter sees them: who the client is, what a stranger may
// not say, the request id. As Envoy's mutateRequestHeaders.

import { parseIp } from '@lateen/base';
import type { HcmContext } from './context.ts';
import { settleForwardedClientCert } from './forwarded-client-cert.ts';
import type { Head } from './head.ts';
import { knownId } from './known-headers.ts';
import type { ConnectionInfo } from './request-view.ts';

/** Only the proxies inside may set these. */
const INTERNAL_HEADERS = [
  'x-envoy-attempt-count',
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
  'x-envoy-original-path',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
] as const;
const INTERNAL_IDS = INTERNAL_HEADERS.map(knownId);

const REQUEST_ID = knownId('x-request-id');
const FORWARDED_FOR = knownId('x-forwarded-for');
const FORWARDED_PROTO = knownId('x-forwarded-proto');
const EXTERNAL_ADDRESS = knownId('x-envoy-external-address');

export type ClientFacts = {
  scheme: string;
  /** The client as settled: "ip:port", or "ip:0" when it is known from x-forwarded-for only. */
  remoteAddress: string;
};

/** Sanitises and completes the headers of a request; writes what was settled to `facts`. */
export function prepareRequestHeaders(head: Head, context: HcmContext, connection: ConnectionInfo, facts: ClientFacts): void {
  const { hcm, proxy } = context;
  facts.remoteAddress = connection.remoteAddress;
  const isEdge = hcm.useRemoteAddress;
  if (isEdge && head.hasEnvoyHeaders) {
    for (let i = 0; i < INTERNAL_IDS.length; i++) {
      if (head.known(INTERNAL_IDS[i] as number) >= 0) head.remove(INTERNAL_HEADERS[i] as string);
    }
  }
  settleAddress(head, context, connection, facts);
  settleProto(head, context, connection, facts);
  if (hcm.appendXForwardedPort && !head.has('x-forwarded-port')) head.add('x-forwarded-port', String(connection.localPort));
  settleForwardedClientCert(head, hcm.forwardClientCert, connection.tls);
  const hasId = head.known(REQUEST_ID) >= 0;
  if (hasId && isEdge && !hcm.preserveExternalRequestId && hcm.generateRequestId) head.set('x-request-id', proxy.newRequestId());
  else if (!hasId && hcm.generateRequestId) head.add('x-request-id', proxy.newRequestId());
  if (hcm.via !== '') head.add('via', hcm.via);
}

function settleAddress(head: Head, context: HcmContext, connection: ConnectionInfo, facts: ClientFacts): void {
  const { hcm } = context;
  const told = head.known(FORWARDED_FOR) >= 0 ? head.value('x-forwarded-for') : undefined;
  if (!hcm.useRemoteAddress) {
    if (told !== undefined) facts.remoteAddress = addressFromRight(told, hcm.xffNumTrustedHops) ?? facts.remoteAddress;
    return;
  }
  if (hcm.xffNumTrustedHops > 0 && told !== undefined) {
    facts.remoteAddress = addressFromRight(told, hcm.xffNumTrustedHops - 1) ?? facts.remoteAddress;
  }
  if (!hcm.skipXffAppend) {
    if (told === undefined) head.add('x-forwarded-for', connection.remoteIp);
    else head.set('x-forwarded-for', `${told},${connection.remoteIp}`);
  }
  // Since Envoy 1.33 no address is internal unless the configuration says which.
  head.setKnown(EXTERNAL_ADDRESS, 'x-envoy-external-address', ipOf(facts.remoteAddress));
}

function settleProto(head: Head, context: HcmContext, connection: ConnectionInfo, facts: ClientFacts): void {
  const { hcm } = context;
  const own = connection.transportProtocol === 'tls' ? 'https' : 'http';
  const line = head.known(FORWARDED_PROTO);
  const told = line >= 0 ? head.lineValue(line) : undefined;
  const isTold = told === 'http' || told === 'https';
  const trusts = !hcm.useRemoteAddress || hcm.xffNumTrustedHops > 0;
  facts.scheme = isTold && trusts ? told : own;
  if (told !== facts.scheme) head.setKnown(FORWARDED_PROTO, 'x-forwarded-proto', facts.scheme);
  if (hcm.schemeToOverwrite !== '') facts.scheme = hcm.schemeToOverwrite;
}

/** The entry `skip` places from the right end of x-forwarded-for, as "ip:0". */
function addressFromRight(list: string, skip: number): string | undefined {
  const entries = list.split(',');
  const entry = entries[entries.length - 1 - skip]?.trim();
  if (entry === undefined || !parseIp(entry)) return undefined;
  return entry.includes(':') ? `[${entry}]:0` : `${entry}:0`;
}

/** "ip:port" without the port and brackets. */
export const ipOf = (address: string): string => address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
