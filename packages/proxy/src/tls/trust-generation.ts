// Sessions are resumed only among handshakes that would be judged alike: by the same roots, revocation lists and rules, by a server
// of the same identity. A renewed certificate of the same names stays in its generation; a change of trust begins a new one
// (CVE-2022-21654). Keys change every day as well, so that a stolen one opens little.

import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { ValidationRuntime } from '../runtime/model.ts';

/** Lives as long as the process: after a restart every handshake is a full one. */
const processSecret = randomBytes(32);
const KEY_LIFETIME_MS = 24 * 3_600_000;
const NODE_TICKET_KEY_BYTES = 48;
const SESSION_ID_CONTEXT_LENGTH = 32;

export const keyEpoch = (nowMs: number): number => Math.floor(nowMs / KEY_LIFETIME_MS);

export type GenerationParts = {
  readonly validation: ValidationRuntime | undefined;
  /** Names of our own certificates. */
  readonly identities: readonly string[];
  /** Other rules that a session was admitted under. */
  readonly rules: readonly (string | number | boolean)[];
};

/** Names the generation; equal exactly when sessions may be shared. */
export function trustGeneration({ validation, identities, rules }: GenerationParts): string {
  const trust = validation && [
    validation.trustedCaPem,
    validation.systemRoots,
    validation.crlPem,
    validation.matchSubjectAltNames.map((matcher) => matcher.text),
    validation.verifyCertificateSpki,
    validation.verifyCertificateHash,
    [...validation.trustDomains],
    validation.acceptUntrusted,
    validation.allowExpired,
    validation.maxVerifyDepth,
  ];
  return createHash('sha256')
    .update(JSON.stringify([trust ?? null, identities, rules]))
    .digest('hex');
}

/** Node's ticket key and session id context for a generation. `given`: the first configured key, instead of the process's secret. */
export function sessionKeys(
  generation: string,
  epoch: number,
  given: Uint8Array | undefined,
): { ticketKeys: Buffer; sessionIdContext: string } {
  const info = `lateen tls tickets ${generation}${given ? '' : ` ${epoch}`}`;
  return {
    ticketKeys: Buffer.from(hkdfSync('sha256', given ?? processSecret, Buffer.alloc(0), info, NODE_TICKET_KEY_BYTES)),
    sessionIdContext: generation.slice(0, SESSION_ID_CONTEXT_LENGTH),
  };
}
