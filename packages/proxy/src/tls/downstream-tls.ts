// TLS sessions that end here. The ClientHello is read whole before OpenSSL sees a byte: server name and protocols are known without
// callbacks from the middle of a handshake, and a client that sends half of one costs a few bytes and a timer.

import { TLSSocket } from 'node:tls';
import { type Connection, ignoring } from '../io/connection.ts';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';
import type { CertificateFacts, TlsFacts } from '../io/tls-facts.ts';
import { type ClientHello, parseClientHello } from '../listener/client-hello.ts';
import type { DownstreamTlsRuntime } from '../runtime/model.ts';
import { describeHandshakeError, describeTlsError } from './failure.ts';
import { createTlsConnection } from './secured-connection.ts';
import { type SecretLookup, type ServerContexts, serverContexts } from './server-contexts.ts';
import { peerChainOf, tlsFacts } from './session.ts';
import type { TlsConnection } from './tls-connection.ts';
import { TlsStats } from './tls-stats.ts';

export type DownstreamTlsServices = {
  readonly timeouts: Timeouts;
  /** By the key of a named reference; undefined while it has not arrived. */
  readonly secret: SecretLookup;
  /** Of the listener; not counted when absent. */
  readonly stats?: TlsStats;
  /** Wall clock, milliseconds. */
  readonly now?: () => number;
};

export type DownstreamTlsOptions = {
  /** Read before, and not yet taken. */
  readonly unread: Buffer | undefined;
  /** 0 = 15 seconds. */
  readonly timeoutMs: number;
  readonly services: DownstreamTlsServices;
};

type Known = { readonly serverName: string; readonly local: CertificateFacts | undefined };
/** The failure of a handshake that took longer than it may. */
export const HANDSHAKE_TIMEOUT = 'transport socket timeout was reached';

/** `refused`: what a session was that a peer was refused in. */
type Done = (secured: Connection | undefined, failure: string, refused?: TlsFacts) => void;

const DEFAULT_TIMEOUT_MS = 15_000;
/** More than any ClientHello may have, in the smallest records. */
const MAX_UNREAD_BYTES = 128 * 1024;
const uncounted = new TlsStats();

/**
 * Does the server's side of a handshake on `connection`, of which `unread` was read already. `done` gets the connection that carries
 * the plaintext, with its `tls` facts set, or why there is none; the old connection is then gone.
 */
export function secureDownstream(connection: Connection, tls: DownstreamTlsRuntime, options: DownstreamTlsOptions, done: Done): void {
  new Handshake(connection, tls, options, done).read(options.unread);
}

class Handshake {
  private readonly connection: Connection;
  private readonly tls: DownstreamTlsRuntime;
  private readonly services: DownstreamTlsServices;
  private readonly stats: TlsStats;
  private readonly timeout: Timeout;
  private done: Done | undefined;
  private unread: Buffer | undefined;
  private secured: TlsConnection | undefined;

  constructor(connection: Connection, tls: DownstreamTlsRuntime, { timeoutMs, services }: DownstreamTlsOptions, done: Done) {
    this.connection = connection;
    this.tls = tls;
    this.services = services;
    this.stats = services.stats ?? uncounted;
    this.done = done;
    this.timeout = new Timeout(() => this.fail(HANDSHAKE_TIMEOUT));
    services.timeouts.arm(this.timeout, timeoutMs || DEFAULT_TIMEOUT_MS);
  }

  /** More bytes of the ClientHello. */
  read(bytes: Buffer | undefined): void {
    if (bytes) this.unread = this.unread ? Buffer.concat([this.unread, bytes]) : this.connection.keep(bytes);
    const result = this.unread ? parseClientHello(this.unread) : ({ kind: 'more' } as const);
    switch (result.kind) {
      case 'hello':
        return this.start(result.hello);
      case 'not_tls':
        return this.refuseHello(isHttpRequest(this.unread) ? NOTHING_TO_SAY : ['WRONG_VERSION_NUMBER', PROTOCOL_VERSION]);
      case 'bad_version':
        return this.refuseHello(['UNSUPPORTED_PROTOCOL', PROTOCOL_VERSION]);
      case 'too_large':
        return this.refuseHello(['EXCESSIVE_MESSAGE_SIZE', ILLEGAL_PARAMETER]);
      case 'more':
        if ((this.unread?.length ?? 0) > MAX_UNREAD_BYTES) return this.refuseHello(['EXCESSIVE_MESSAGE_SIZE', ILLEGAL_PARAMETER]);
    }
    this.connection.handler = {
      ...ignoring,
      onData: (more) => this.read(more),
      onEnd: () => this.fail(''),
      onClose: (error) => this.settle(undefined, describeHandshakeBreak(error)),
    };
    this.connection.resume();
  }

  private start(hello: ClientHello): void {
    const { tls, services } = this;
    let contexts: ServerContexts | undefined;
    try {
      contexts = serverContexts(tls, services.secret, services.now?.() ?? Date.now());
      if (!contexts) {
        this.stats.context_secrets_not_ready++;
        return this.fail('TLS_error: the certificate has not arrived yet');
      }
      if (tls.requireSni && hello.serverName === '') return this.refuse('TLS_error: the client sent no server name');
      this.handshake(contexts, hello);
    } catch (error) {
      // Nothing that a client or a secret can do may end more than this connection.
      this.refuse(error instanceof Error ? error.message : String(error));
    }
  }

  private handshake(contexts: ServerContexts, hello: ClientHello): void {
    const { tls } = this;
    const { context, offered } = contexts.pick(hello.serverName);
    // The server's preference decides; where nothing fits Envoy goes on without a protocol, while OpenSSL would refuse.
    const protocol = tls.alpnProtocols.find((one) => hello.applicationProtocols.includes(one));
    const raw = this.connection.release(this.unread);
    this.unread = undefined;
    const secured = createTlsConnection(raw, { ...ignoring, onClose: (error) => this.onBreak(error) });
    this.secured = secured;
    const session = new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      requestCert: contexts.requestsCertificate,
      rejectUnauthorized: tls.requireClientCertificate,
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
    });
    secured.wrap(session);
    // A client that is gone after its ClientHello: the socket is half open, so nobody else would end it.
    session.once('end', () => this.fail(''));
    if (raw.readableEnded) return this.fail('');
    const staple = offered[0]?.secret.ocspStaple;
    if (staple) stapleOcsp(session, staple);
    session.once('secure', () => {
      try {
        this.judge(session, contexts, { serverName: hello.serverName, local: offered[0]?.facts });
      } catch (error) {
        this.refuse(error instanceof Error ? error.message : String(error));
      }
    });
  }

  private judge(session: TLSSocket, { validator }: ServerContexts, known: Known): void {
    const { stats, secured } = this;
    if (!this.done || !secured) return;
    const { chain, chainError } = peerChainOf(session);
    const nowMs = this.services.now?.() ?? Date.now();
    const verdict = validator.judge({ chain, chainError, usage: 'client', nowMs }, '');
    if (!verdict.ok) {
      stats[verdict.counter ?? 'connection_error']++;
      return this.fail(verdict.failure, tlsFacts({ session, peer: chain, peerVerified: false, ...known }));
    }
    if (chain.length === 0 && this.tls.requireClientCertificate) {
      return this.refuse(describeTlsError('ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') as string);
    }
    const facts = tlsFacts({ session, peer: chain, peerVerified: verdict.verified && chain.length > 0, ...known });
    stats.countSession(facts.version, facts.cipher);
    if (session.isSessionReused()) stats.session_reused++;
    if (chain.length === 0) stats.no_certificate++;
    secured.handler = ignoring;
    secured.pause();
    secured.begin(facts);
    this.settle(secured, '');
  }

  /** The client's first bytes are none that TLS begins with; it is told why with `alert`, if that says anything to it. */
  private refuseHello([reason, alert]: readonly [reason: string, alert: number | undefined]): void {
    // TLS 1.0 and a fatal alert: what every client understands before anything is agreed.
    if (alert !== undefined) this.connection.write(Buffer.from([21, 3, 1, 0, 2, 2, alert]));
    this.refuse(describeTlsError(`ERR_SSL_${reason}`) as string);
  }

  /** A client that merely leaves is at no fault. */
  private onBreak(error: string | undefined): void {
    if (error === undefined) this.fail('');
    else this.refuse(error);
  }

  /** A fault of the client. */
  private refuse(failure: string): void {
    if (!this.done) return;
    if (failure.includes('PEER_DID_NOT_RETURN_A_CERTIFICATE')) this.stats.fail_verify_no_cert++;
    else this.stats.connection_error++;
    this.fail(failure);
  }

  private fail(failure: string, refused?: TlsFacts): void {
    const { done } = this;
    // Before the close is heard of: the listener's log is written then.
    this.done = undefined;
    done?.(undefined, failure, refused);
    this.secured?.destroy();
    this.connection.destroy();
    this.timeout.cancel();
  }

  private settle(secured: Connection | undefined, failure: string): void {
    this.timeout.cancel();
    const { done } = this;
    this.done = undefined;
    done?.(secured, failure);
  }
}

const PROTOCOL_VERSION = 70;
const ILLEGAL_PARAMETER = 47;
const NOTHING_TO_SAY = ['HTTP_REQUEST', undefined] as const;

const isHttpRequest = (bytes: Buffer | undefined): boolean => /^(?:GET |POST |HEAD |PUT )/.test(bytes?.toString('latin1', 0, 5) ?? '');

const describeHandshakeBreak = (error: string | undefined): string =>
  error === undefined ? '' : (describeHandshakeError(Object.assign(new Error(error), { code: error, syscall: 'read' })) ?? error);

type Internals = { _handle?: { setOCSPResponse?(response: Uint8Array): void } | null };

function stapleOcsp(session: TLSSocket, staple: Uint8Array): void {
  (session as unknown as Internals)._handle?.setOCSPResponse?.(Buffer.from(staple));
}
