// Which port the ingress gateway takes on this machine. The tutorials' URLs have none, which means 80.

import { createServer } from 'node:net';
import { codeOf } from '@lateen/base';

export type HttpPortChoice = { port: number /** Why it is not 80. */; note: string | undefined };

const PREFERRED = 80;
const FALLBACK = 8080;

/** 80 if it can be bound on loopback, else 8080; what was asked for is taken as it is. */
export async function chooseHttpPort(requested: number | undefined): Promise<HttpPortChoice> {
  if (requested !== undefined) return { port: requested, note: undefined };
  const problem = await bindProblem(PREFERRED);
  if (problem === undefined) return { port: PREFERRED, note: undefined };
  const why = problem === 'EACCES' ? 'binding it takes root' : problem === 'EADDRINUSE' ? 'another program has it' : problem;
  return { port: FALLBACK, note: `port ${PREFERRED} cannot be used (${why}); the ingress gateway answers on ${FALLBACK}` };
}

function bindProblem(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error) => resolve(codeOf(error) ?? error.message));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(undefined)));
  });
}
