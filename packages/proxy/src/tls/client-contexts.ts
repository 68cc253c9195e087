// What a cluster's TLS context is in OpenSSL's terms, and the sessions that its hosts handed out for resumption.

import { createSecureContext, type SecureContext } from 'node:tls';
import type { SecretRuntime, UpstreamTlsRuntime } from '../runtime/model.ts';
import { contextOptions } from './context-options.ts';
import { type OwnCertificate, ownCertificate } from './own-certificates.ts';
import { effectiveValidation, resolveSecret, type SecretLookup } from './server-contexts.ts';
import { createSessionStore, type SessionStore } from './session-store.ts';
import { trustGeneration } from './trust-generation.ts';
import { createValidator, type Validator } from './validation.ts';

export type ClientContexts = {
  readonly context: SecureContext;
  readonly local: OwnCertificate | undefined;
  /** Judges by the names of the context. */
  readonly byContext: Validator;
  /** Judges by the server name that was sent, in their place. */
  readonly byServerName: Validator;
  /** Undefined: every handshake is a full one. */
  readonly sessions: SessionStore | undefined;
  readonly generation: string;
};

type Built = { readonly inputs: readonly SecretRuntime[]; readonly contexts: ClientContexts };
const built = new WeakMap<UpstreamTlsRuntime, Built>();

/** Undefined while a secret is missing. @throws what OpenSSL has against the secrets, when there are no earlier ones to go on with */
export function clientContexts(tls: UpstreamTlsRuntime, lookup: SecretLookup): ClientContexts | undefined {
  const before = built.get(tls);
  const inputs: SecretRuntime[] = [];
  for (const ref of [...tls.certificates, ...(tls.validation ? [tls.validation] : [])]) {
    const secret = resolveSecret(ref, lookup);
    if (!secret) return before?.contexts;
    inputs.push(secret);
  }
  if (before && inputs.every((one, i) => one === before.inputs[i])) return before.contexts;
  let contexts: ClientContexts;
  try {
    contexts = build(tls, inputs, before?.contexts);
  } catch (error) {
    if (!before) throw error;
    contexts = before.contexts;
  }
  built.set(tls, { inputs, contexts });
  return contexts;
}

function build(tls: UpstreamTlsRuntime, secrets: readonly SecretRuntime[], before: ClientContexts | undefined): ClientContexts {
  const certificates = secrets.flatMap((secret) => (secret.kind === 'certificate' ? [secret] : []));
  const validation = effectiveValidation(tls.validation !== undefined, tls.defaultValidation, secrets);
  const local = certificates[0] && ownCertificate(certificates[0]);
  const byContext = createValidator(validation);
  const generation = trustGeneration({ validation, identities: local ? [local.identity] : [], rules: [tls.minVersion, tls.maxVersion] });
  const resumes = tls.maxSessionKeys > 0 && !byContext.judgesChains;
  return {
    context: createSecureContext(contextOptions(tls, certificates, validation)),
    local,
    byContext,
    byServerName: createValidator(validation, true),
    sessions: resumes ? (before?.generation === generation ? before.sessions : createSessionStore(tls.maxSessionKeys)) : undefined,
    generation,
  };
}
