// x-forwarded-client-cert: what the next hop is told of the client's certificate, and what a client must not tell it.

import type { TlsFacts } from '../io/tls-facts.ts';
import type { HcmRuntime } from '../runtime/model.ts';
import type { Head } from './head.ts';
import { knownId } from './known-headers.ts';

type Rules = HcmRuntime['forwardClientCert'];

const NAME = 'x-forwarded-client-cert';
const ID = knownId(NAME);

/** Removes, keeps, extends or sets the header. `tls`: the session with the direct peer. */
export function settleForwardedClientCert(head: Head, rules: Rules, tls: TlsFacts | undefined): void {
  const { mode } = rules;
  const isTold = head.known(ID) >= 0;
  // Envoy has one line of it.
  if (isTold && head.hasRepeats) head.set(NAME, head.value(NAME) ?? '');
  if (mode === 'always_forward_only') return;
  if (mode === 'sanitize' || !tls?.peer) {
    if (isTold) head.remove(NAME);
    return;
  }
  if (mode === 'forward_only') return;
  const own = describeClient(rules, tls);
  const told = mode === 'append_forward' && isTold ? head.value(NAME) : undefined;
  head.set(NAME, told === undefined ? own : `${told},${own}`);
}

// The same for every request of a connection.
const described = new WeakMap<TlsFacts, { rules: Rules; text: string }>();

function describeClient(rules: Rules, tls: TlsFacts): string {
  const known = described.get(tls);
  if (known?.rules === rules) return known.text;
  const text = forwardedClientCert(rules, tls);
  described.set(tls, { rules, text });
  return text;
}

/** One element of the header, keys in Envoy's order. */
export function forwardedClientCert(rules: Rules, { peer, local }: TlsFacts): string {
  if (!peer) return '';
  const parts = [...(local?.uriSans ?? []).map((uri) => `By=${uri}`), `Hash=${peer.fingerprint256}`];
  if (rules.cert) parts.push(`Cert="${urlEncoded(peer.pem())}"`);
  if (rules.chain) parts.push(`Chain="${urlEncoded(peer.chainPem())}"`);
  // Written even when it is empty, as is URI.
  if (rules.subject) parts.push(`Subject="${peer.subject}"`);
  if (rules.uri) parts.push(...(peer.uriSans.length > 0 ? peer.uriSans : ['']).map((uri) => `URI=${uri}`));
  if (rules.dns) parts.push(...peer.dnsSans.map((name) => `DNS=${name}`));
  return parts.join(';');
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '%0A', ' ': '%20', '+': '%2B', '/': '%2F', '=': '%3D' };
const urlEncoded = (pem: string): string => pem.replace(/[\n +/=]/g, (char) => ESCAPES[char] as string);
