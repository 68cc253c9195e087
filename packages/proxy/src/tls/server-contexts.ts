// What a listener's TLS context is in OpenSSL's terms. Built once from the secrets in force, again when one of them is replaced;
// connections that stand are not touched by that.

import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { DownstreamTlsRuntime, SecretRef, SecretRuntime, ValidationRuntime } from '../runtime/model.ts';
import { contextOptions } from './context-options.ts';
import { mergeValidation } from './merge-validation.ts';
import { certificatesFor, type OwnCertificate, ownCertificate } from './own-certificates.ts';
import { keyEpoch, sessionKeys, trustGeneration } from './trust-generation.ts';
import { createValidator, type Validator } from './validation.ts';

export type SecretLookup = (key: string) => SecretRuntime | undefined;

export type ServerContext = { readonly context: SecureContext; readonly offered: readonly OwnCertificate[] };

export type ServerContexts = {
  pick(serverName: string): ServerContext;
  readonly validator: Validator;
  /** Clients are asked for a certificate. */
  readonly requestsCertificate: boolean;
};

/** The secret behind a reference; undefined while it has not arrived. */
export const resolveSecret = (ref: SecretRef, lookup: SecretLookup): SecretRuntime | undefined =>
  ref.kind === 'inline' ? ref.secret : lookup(ref.key);

type Built = { readonly inputs: readonly (SecretRuntime | number)[]; readonly contexts: ServerContexts };
const built = new WeakMap<DownstreamTlsRuntime, Built>();

/** Undefined while a secret is missing. @throws what OpenSSL has against the secrets, when there are no earlier ones to go on with */
export function serverContexts(tls: DownstreamTlsRuntime, lookup: SecretLookup, nowMs: number): ServerContexts | undefined {
  const refs = [...tls.certificates, ...(tls.validation ? [tls.validation] : [])];
  if (tls.sessionTickets.kind === 'keys') refs.push(tls.sessionTickets.keys);
  const before = built.get(tls);
  const epoch = keyEpoch(nowMs);
  const inputs: (SecretRuntime | number)[] = [epoch];
  for (const ref of refs) {
    const secret = resolveSecret(ref, lookup);
    // Withdrawn secrets go on serving: what is worse than an old certificate is none.
    if (!secret) return before?.contexts;
    inputs.push(secret);
  }
  if (before && inputs.every((one, i) => one === before.inputs[i])) return before.contexts;
  try {
    const contexts = build(tls, inputs.slice(1) as SecretRuntime[], epoch);
    built.set(tls, { inputs, contexts });
    return contexts;
  } catch (error) {
    if (!before) throw error;
    built.set(tls, { inputs, contexts: before.contexts });
    return before.contexts;
  }
}

function build(tls: DownstreamTlsRuntime, secrets: readonly SecretRuntime[], epoch: number): ServerContexts {
  const certificates = secrets.flatMap((secret) => (secret.kind === 'certificate' ? [ownCertificate(secret)] : []));
  const validation = effectiveValidation(tls.validation !== undefined, tls.defaultValidation, secrets);
  const given = secrets.find((secret) => secret.kind === 'ticket_keys')?.keys[0];
  const validator = createValidator(validation);
  const contexts = new Map<string, ServerContext>();
  const create = (offered: readonly OwnCertificate[]): ServerContext => {
    const generation = trustGeneration({
      validation,
      identities: offered.map(({ identity }) => identity),
      rules: [tls.requireClientCertificate, tls.minVersion, tls.maxVersion, given ? Buffer.from(given).toString('hex') : ''],
    });
    const options = contextOptions(
      tls,
      offered.map(({ secret }) => secret),
      validation,
    );
    const resumes = tls.sessionTickets.kind !== 'disabled' && !validator.judgesChains;
    return {
      offered,
      context: createSecureContext({
        ...options,
        ...sessionKeys(generation, epoch, given),
        honorCipherOrder: !tls.preferClientCiphers,
        sessionTimeout: tls.sessionTimeoutSeconds,
        secureOptions: (options.secureOptions ?? 0) | (resumes ? 0 : constants.SSL_OP_NO_TICKET),
      }),
    };
  };
  const pick = (serverName: string): ServerContext => {
    const offered = certificatesFor(certificates, serverName, tls.fullScanOnSniMismatch);
    const key = offered.map((one) => certificates.indexOf(one)).join();
    let context = contexts.get(key);
    if (!context) {
      context = create(offered);
      contexts.set(key, context);
    }
    return context;
  };
  // Now rather than in a handshake: OpenSSL says what is wrong with them.
  for (const { dnsNames } of certificates) pick(dnsNames[0] ?? '');
  pick('');
  const checks = validation !== undefined && (validator.judgesChains || hasChecks(validation));
  return { pick, validator, requestsCertificate: tls.requireClientCertificate || checks };
}

const hasChecks = (validation: ValidationRuntime): boolean =>
  validation.trustedCaPem !== '' ||
  validation.systemRoots ||
  validation.verifyCertificateHash.length > 0 ||
  validation.verifyCertificateSpki.length > 0;

/** Of inline or SDS origin, with the default of a combined context below it. */
export function effectiveValidation(
  isConfigured: boolean,
  fallback: ValidationRuntime | undefined,
  secrets: readonly SecretRuntime[],
): ValidationRuntime | undefined {
  if (!isConfigured) return undefined;
  const found = secrets.find((secret) => secret.kind === 'validation');
  return found ? mergeValidation(fallback, found.validation) : fallback;
}
