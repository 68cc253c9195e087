// What Node tells of a finished handshake.

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { CertificateFacts, TlsFacts } from '../io/tls-facts.ts';
import { certificateFacts, chainOf } from './certificate-facts.ts';
import { childrenOf, readTlv } from './der-reader.ts';

/** Node's own field: OpenSSL's verdict on the peer's chain. Servers made without tls.Server have no other way to it. */
type Internals = { _handle?: { verifyError?(): (Error & { code?: string }) | null } | null };

export type PeerChain = {
  readonly chain: readonly X509Certificate[];
  readonly chainError: { readonly code: string; readonly message: string } | undefined;
};

export function peerChainOf(session: TLSSocket): PeerChain {
  const chain = chainOf(session.getPeerX509Certificate());
  // Asking for the verdict makes an error object, and without a certificate there is nothing to trust or not.
  if (chain.length === 0) return { chain, chainError: undefined };
  const handle = (session as unknown as Internals)._handle;
  // Without the verdict nobody is trusted.
  if (typeof handle?.verifyError !== 'function') return { chain, chainError: { code: 'UNSPECIFIED', message: 'no verdict' } };
  const error = handle.verifyError();
  return { chain, chainError: error ? { code: error.code ?? 'UNSPECIFIED', message: error.message } : undefined };
}

export type FactParts = {
  readonly session: TLSSocket;
  readonly serverName: string;
  readonly peer: readonly X509Certificate[];
  readonly peerVerified: boolean;
  readonly local: CertificateFacts | undefined;
};

export function tlsFacts({ session, serverName, peer, peerVerified, local }: FactParts): TlsFacts {
  return {
    version: session.getProtocol() ?? '',
    cipher: session.getCipher()?.name ?? '',
    get sessionId() {
      return sessionIdOf(session);
    },
    serverName,
    applicationProtocol: session.alpnProtocol || '',
    peerVerified,
    peer: certificateFacts(peer),
    local,
  };
}

const MAX_SESSION_ID = 32;

/** The fourth field of OpenSSL's session (SSL_SESSION_ASN1). */
function sessionIdOf(session: TLSSocket): string {
  const der = session.getSession();
  if (!der) return '';
  try {
    const id = childrenOf(readTlv(der, 0).body)[3];
    return id && id.body.length <= MAX_SESSION_ID ? Buffer.from(id.body).toString('hex') : '';
  } catch {
    return '';
  }
}
