// TLS sessions that begin here.

import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import type { UpstreamTlsRuntime } from '../runtime/model.ts';
import { type ClientContexts, clientContexts } from './client-contexts.ts';
import { createTlsConnection } from './secured-connection.ts';
import type { SecretLookup } from './server-contexts.ts';
import { type PeerChain, peerChainOf, tlsFacts } from './session.ts';
import type { ResumablePeer, ResumableSession } from './session-store.ts';
import type { TlsConnection } from './tls-connection.ts';
import { TlsStats } from './tls-stats.ts';

export type UpstreamTlsOptions = {
  /** Offered when the context names no protocols. */
  readonly applicationProtocols: readonly string[] | undefined;
  /** Offered in any case. */
  readonly alpnOverride?: readonly string[] | undefined;
  /** From the request, for contexts without one of their own. */
  readonly serverName: string | undefined;
  /** Whether the peer must have the server name that is sent, whatever the context says (auto_san_validation). */
  readonly expectsServerName: boolean;
  /** The endpoint: "ip:port", and its host name if it has one. */
  readonly hostAddress: string;
  readonly hostname: string;
  readonly secret: SecretLookup;
  /** Of the cluster; not counted when absent. */
  readonly stats?: TlsStats | undefined;
  /** Wall clock, milliseconds. */
  readonly now?: () => number;
};

type Events = { readonly handler: ConnectionHandler; readonly onConnect: () => void };

const uncounted = new TlsStats();

/**
 * Does the client's side of a handshake over `raw`, which may still be connecting. `onConnect` follows once bytes may be written, or
 * the handler's `onClose` with the system's error code or Envoy's text ("TLS_error:…"). The timeout is the caller's.
 */
export function secureUpstream(raw: Socket, tls: UpstreamTlsRuntime, options: UpstreamTlsOptions, events: Events): Connection {
  const connection = createTlsConnection(raw, events.handler);
  const stats = options.stats ?? uncounted;
  const start = () => {
    try {
      const contexts = clientContexts(tls, options.secret);
      if (contexts) return handshake(connection, { raw, tls, options, events, contexts, stats });
      stats.context_secrets_not_ready++;
      connection.fail('TLS_error: Secret is not supplied by SDS');
    } catch (error) {
      connection.fail(`TLS_error: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  if (raw.connecting) raw.once('connect', start);
  else queueMicrotask(start);
  return connection;
}

type Attempt = {
  readonly raw: Socket;
  readonly tls: UpstreamTlsRuntime;
  readonly options: UpstreamTlsOptions;
  readonly events: Events;
  readonly contexts: ClientContexts;
  readonly stats: TlsStats;
};

function handshake(connection: TlsConnection, attempt: Attempt): void {
  const { raw, tls, options, contexts, stats } = attempt;
  const serverName = serverNameOf(tls, options);
  const configured = tls.alpnProtocols.length > 0 ? tls.alpnProtocols : (options.applicationProtocols ?? []);
  const protocols = options.alpnOverride ?? configured;
  const { sessions } = contexts;
  const sessionKey = JSON.stringify([options.hostAddress, serverName, protocols, isJudgedByName(tls, options)]);
  const known = sessions?.take(sessionKey);
  const session = connect({
    socket: raw,
    secureContext: contexts.context,
    // The verdict is ours, below.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    // RFC 6066 has no IP addresses as server names, and Node refuses them.
    servername: isIP(serverName) ? '' : serverName,
    ...(protocols.length > 0 && { ALPNProtocols: [...protocols] }),
    ...(known && { session: known.ticket }),
  });
  connection.wrap(session);
  let isDone = false;
  session.once('secureConnect', () => {
    isDone = true;
    try {
      judge(connection, session, attempt, { serverName, resumable: known });
    } catch (error) {
      connection.fail(`TLS_error: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  connection.onceClosed(() => {
    if (!isDone && connection.isViolated) stats.connection_error++;
  });
  if (!sessions) return;
  // With TLS 1.2 a ticket comes before the verdict: one of a peer that is refused must never be used.
  let early: Buffer[] = [];
  let peer: ResumablePeer | undefined;
  session.on('session', (ticket: Buffer) => {
    if (peer) sessions.put(sessionKey, { ticket, ...peer });
    else if (early.length < MAX_EARLY_TICKETS) early.push(ticket);
  });
  session.once('secureConnect', () => {
    if (!connection.tls) return;
    peer = session.isSessionReused() && known ? known : leafOf(peerChainOf(session));
    for (const ticket of early) sessions.put(sessionKey, { ticket, ...peer });
    early = [];
    // OpenSSL's servers hand out no new ticket in a resumed session. One that failed is not tried again.
    if (known && session.isSessionReused()) sessions.put(sessionKey, known);
  });
}
const MAX_EARLY_TICKETS = 4;

/** Read again, because Node's object of a leaf keeps those of its issuers; there may be thousands of sessions. */
const leafOf = ({ chain: [leaf], chainError }: PeerChain): ResumablePeer => ({
  chain: leaf ? [new X509Certificate(leaf.raw)] : [],
  chainError,
});

function judge(
  connection: TlsConnection,
  session: TLSSocket,
  { tls, options, events, contexts, stats }: Attempt,
  { serverName, resumable }: { readonly serverName: string; readonly resumable: ResumableSession | undefined },
): void {
  if (connection.closed) return;
  // A resumed session does not tell Node's clients who the peer is: it is who it was.
  const { chain, chainError } = session.isSessionReused() && resumable ? resumable : peerChainOf(session);
  const validator = isJudgedByName(tls, options) ? contexts.byServerName : contexts.byContext;
  const verdict = validator.judge({ chain, chainError, usage: 'server', nowMs: options.now?.() ?? Date.now() }, serverName);
  if (!verdict.ok) {
    stats[verdict.counter ?? 'connection_error']++;
    return connection.fail(verdict.failure);
  }
  const facts = tlsFacts({ session, serverName, peer: chain, peerVerified: verdict.verified, local: contexts.local?.facts });
  stats.countSession(facts.version, facts.cipher);
  if (session.isSessionReused()) stats.session_reused++;
  connection.begin(facts);
  events.onConnect();
}

const isJudgedByName = (tls: UpstreamTlsRuntime, options: UpstreamTlsOptions): boolean =>
  tls.autoSniSanValidation || options.expectsServerName;

function serverNameOf(tls: UpstreamTlsRuntime, options: UpstreamTlsOptions): string {
  if (tls.autoHostSni && options.hostname !== '') return options.hostname;
  return options.serverName || tls.sni;
}
