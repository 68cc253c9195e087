// Turns configured credentials into what a request carries, and keeps them fresh.

import { readFile } from 'node:fs/promises';
import type { Clock } from '@lateen/base';
import type { ClusterConfig } from './cluster-config.ts';
import { type ExecCredential, runExecPlugin } from './exec-credential.ts';

export type RequestCredentials = {
  authorization: string | undefined;
  certificate: { cert: string; key: string } | undefined;
};

export type CredentialSource = {
  current(): Promise<RequestCredentials>;
  /** The server answered 401: forget what may be stale. True when another try can help. */
  invalidate(): boolean;
};

const TOKEN_FILE_PERIOD_MS = 60_000;
const EXPIRY_MARGIN_MS = 30_000;

/** `env` is what exec plugins inherit. */
export function createCredentialSource(config: ClusterConfig, clock: Clock, env: Record<string, string | undefined>): CredentialSource {
  const { credentials } = config;
  const fixed = (value: RequestCredentials): CredentialSource => ({ current: async () => value, invalidate: () => false });
  switch (credentials.kind) {
    case 'none':
      return fixed({ authorization: undefined, certificate: undefined });
    case 'token':
      return fixed({ authorization: `Bearer ${credentials.token}`, certificate: undefined });
    case 'basic': {
      const encoded = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64');
      return fixed({ authorization: `Basic ${encoded}`, certificate: undefined });
    }
    case 'certificate':
      return fixed({ authorization: undefined, certificate: { cert: credentials.cert, key: credentials.key } });
    case 'tokenFile': {
      const { path } = credentials;
      return cached(clock, async () => {
        const token = (await readFile(path, 'utf8')).trim();
        return { value: { authorization: `Bearer ${token}`, certificate: undefined }, untilMs: clock.now() + TOKEN_FILE_PERIOD_MS };
      });
    }
    case 'exec': {
      const { plugin } = credentials;
      return cached(clock, async () => {
        const credential = await runExecPlugin(plugin, config, env);
        return { value: fromExec(credential), untilMs: (credential.expiresAtMs ?? Number.POSITIVE_INFINITY) - EXPIRY_MARGIN_MS };
      });
    }
  }
}

function fromExec({ token, certificate }: ExecCredential): RequestCredentials {
  return { authorization: token === undefined ? undefined : `Bearer ${token}`, certificate };
}

type Cached = { value: RequestCredentials; untilMs: number };

function cached(clock: Clock, load: () => Promise<Cached>): CredentialSource {
  let known: Cached | undefined;
  let loading: Promise<Cached> | undefined;
  return {
    async current() {
      if (known && clock.now() < known.untilMs) return known.value;
      loading ??= load().finally(() => {
        loading = undefined;
      });
      known = await loading;
      return known.value;
    },
    invalidate() {
      known = undefined;
      return true;
    },
  };
}
