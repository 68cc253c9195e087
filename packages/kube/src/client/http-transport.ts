// KubeTransport over node:http(s) with kept-alive connections. HTTP/1.1: every watch has its own connection, and a stalled
// stream never blocks another.

import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { type Clock, CodedError, codeOf, messageOf, type SocketAddress, systemClock } from '@lateen/base';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { type CredentialSource, createCredentialSource, type RequestCredentials } from '../config/credentials.ts';
import type { KubeRequest, KubeResponse, KubeTransport } from './transport.ts';

export type HttpTransportOptions = {
  /** Opens the TCP connection, e.g. inside a network namespace; gives a connected socket. Default: net.connect. */
  dial?: (address: SocketAddress) => Promise<Socket>;
  /** What exec credential plugins inherit. Default: nothing. */
  env?: Record<string, string | undefined>;
  userAgent?: string;
  /** Time until response headers; watches send theirs at once. Default 60 s. */
  responseTimeoutMs?: number;
  clock?: Clock;
};

type Origin = { secure: boolean; host: string; port: number; prefix: string };

/** A transport for the configured cluster; `close()` destroys its connections. @throws CodedError LAT2104 for a server that is no URL */
export function createHttpTransport(config: ClusterConfig, options: HttpTransportOptions = {}): KubeTransport {
  const origin = parseServer(config.server);
  const clock = options.clock ?? systemClock;
  const credentials = createCredentialSource(config, clock, options.env ?? {});
  let agent = undefined as { agent: http.Agent; cert: string | undefined } | undefined;
  const agentFor = ({ certificate }: RequestCredentials): http.Agent => {
    if (!agent || agent.cert !== certificate?.cert) {
      agent?.agent.destroy();
      agent = { agent: createAgent(origin, config, { certificate, dial: options.dial }), cert: certificate?.cert };
    }
    return agent.agent;
  };
  return {
    async request(request) {
      const response = await attempt(request);
      if (response.status !== 401 || !credentials.invalidate()) return response;
      for await (const _ of response.body);
      return attempt(request);
    },
    close() {
      agent?.agent.destroy();
    },
  };

  async function attempt(request: KubeRequest): Promise<KubeResponse> {
    const identity = await currentCredentials(credentials);
    return send({ origin, agent: agentFor(identity), identity, request, clock, options });
  }
}

const currentCredentials = (source: CredentialSource): Promise<RequestCredentials> =>
  source.current().catch((error: unknown) => {
    if (error instanceof CodedError) throw error;
    throw new CodedError({ code: 'LAT2104', what: `cannot read the cluster credentials: ${messageOf(error)}`, cause: error });
  });

function parseServer(server: string): Origin {
  // kubectl accepts a bare host:port too.
  const url = URL.parse(server.includes('://') ? server : `http://${server}`);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new CodedError({ code: 'LAT2104', what: `the cluster's server ${JSON.stringify(server)} is not an http(s) URL` });
  }
  const secure = url.protocol === 'https:';
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || (secure ? 443 : 80)),
    prefix: url.pathname.replace(/\/+$/, ''),
  };
}

function createAgent(
  origin: Origin,
  config: ClusterConfig,
  { certificate, dial }: { certificate: RequestCredentials['certificate']; dial: HttpTransportOptions['dial'] },
): http.Agent {
  const servername = config.tlsServerName ?? (isIP(origin.host) ? '' : origin.host);
  const tls = {
    ...(config.ca === undefined ? {} : { ca: config.ca }),
    ...(certificate ?? {}),
    rejectUnauthorized: !config.insecureSkipTlsVerify,
    servername,
    // An address is no SNI; the certificate is then checked against the dialled host.
    ALPNProtocols: ['http/1.1'],
  };
  const agent = origin.secure ? new https.Agent({ keepAlive: true, ...tls }) : new http.Agent({ keepAlive: true });
  if (dial) {
    agent.createConnection = (_options, onCreate) => {
      dial({ host: origin.host, port: origin.port }).then(
        (socket) => onCreate?.(null, origin.secure ? tlsConnect({ ...tls, socket, host: origin.host }) : socket),
        (error: unknown) => onCreate?.(error instanceof Error ? error : new Error(String(error)), undefined as never),
      );
      return undefined;
    };
  }
  return agent;
}

type Exchange = {
  origin: Origin;
  agent: http.Agent;
  identity: RequestCredentials;
  request: KubeRequest;
  clock: Clock;
  options: HttpTransportOptions;
};

function send({ origin, agent, identity, request, clock, options }: Exchange): Promise<KubeResponse> {
  return new Promise((done, reject) => {
    const { signal, body } = request;
    const query = new URLSearchParams(
      Object.entries(request.query ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const outgoing = (origin.secure ? https : http).request({
      agent,
      host: origin.host,
      port: origin.port,
      method: request.method,
      path: `${origin.prefix}${request.path}${query.size > 0 ? `?${query}` : ''}`,
      headers: {
        accept: 'application/json',
        'user-agent': options.userAgent ?? 'lateen',
        ...(identity.authorization === undefined ? {} : { authorization: identity.authorization }),
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        ...request.headers,
      },
      ...(signal ? { signal } : {}),
    });
    const timeoutMs = options.responseTimeoutMs ?? 60_000;
    const timer = clock.after(timeoutMs, () => outgoing.destroy(new Error(`no response within ${timeoutMs} ms`)));
    outgoing.on('error', (error) => {
      timer.cancel();
      // The server closed a kept-alive connection while we wrote to it (see ClientRequest.reusedSocket): once more on a new one.
      const wasStale = outgoing.reusedSocket && codeOf(error) === 'ECONNRESET' && request.method !== 'POST';
      if (wasStale && !signal?.aborted) send({ origin, agent, identity, request, clock, options }).then(done, reject);
      else reject(signal?.aborted ? error : unreachable(origin, error));
    });
    outgoing.on('response', (incoming: IncomingMessage) => {
      timer.cancel();
      incoming.on('error', () => {}); // the reader of the body sees it
      done({ status: incoming.statusCode ?? 0, headers: flatHeaders(incoming), body: incoming });
    });
    outgoing.end(body);
  });
}

function flatHeaders(incoming: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}

function unreachable(origin: Origin, error: Error): CodedError {
  const host = origin.host.includes(':') ? `[${origin.host}]` : origin.host;
  const isRefused = codeOf(error) === 'ECONNREFUSED' || codeOf(error) === 'ENOTFOUND';
  return new CodedError({
    code: 'LAT2103',
    what: `cannot reach the Kubernetes API server at ${host}:${origin.port}`,
    why: messageOf(error),
    ...(isRefused ? { fix: 'is it running, and does the kubeconfig name the right server?' } : {}),
    cause: error,
  });
}
