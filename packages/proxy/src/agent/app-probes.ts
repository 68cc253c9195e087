// Kubernetes' probes of the application, asked by the agent in kubelet's stead: under strict mutual TLS kubelet could not.

import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { type Clock, CodedError, isObject, messageOf, type Transport } from '@lateen/base';

type Header = { name: string; value: string };
export type Prober = {
  httpGet?: { path?: string; port: number | string; host?: string; scheme?: string; httpHeaders?: Header[] };
  tcpSocket?: { port: number | string; host?: string };
  grpc?: { port: number; service?: string | null };
  timeoutSeconds?: number;
};
/** By path, e.g. "/app-health/reviews/livez". */
export type Probers = ReadonlyMap<string, Prober>;

/** Reads ISTIO_KUBE_APP_PROBERS. @throws CodedError LAT4101 when it is malformed. */
export function parseProbers(json: string | undefined): Probers {
  if (!json) return new Map();
  try {
    const probers: unknown = JSON.parse(json);
    if (!isObject(probers)) throw new Error('not an object');
    return new Map(Object.entries(probers).map(([path, prober]) => [path, readProber(path, prober)]));
  } catch (error) {
    throw new CodedError({ code: 'LAT4101', what: "the proxy's environment is malformed: ISTIO_KUBE_APP_PROBERS", why: messageOf(error) });
  }
}

const PROBER_PATH = /^\/app-(?:health|lifecycle)\/[^/]+\/(?:livez|readyz|startupz|prestopz|poststartz)$/;

function readProber(path: string, value: unknown): Prober {
  if (!PROBER_PATH.test(path)) throw new Error(`${path} is not a path of a probe`);
  // Istio reads names without regard to letter case; older injectors wrote "gRPC".
  const fields = isObject(value) ? Object.entries(value).map(([name, field]) => [name.toLowerCase(), field] as const) : [];
  const { httpget: httpGet, tcpsocket: tcpSocket, grpc, timeoutseconds } = Object.fromEntries(fields) as Record<string, unknown>;
  const actions = [httpGet, tcpSocket, grpc].filter((action) => action !== undefined && action !== null);
  if (actions.length !== 1) throw new Error(`${path} must have one of httpGet, tcpSocket and grpc`);
  const [action] = actions;
  if (!isObject(action) || !Number.isInteger(action['port'])) throw new Error(`${path}: the port must be a number`);
  return { ...({ httpGet, tcpSocket, grpc } as Prober), timeoutSeconds: Number(timeoutseconds ?? 0) };
}

export type ProbeOptions = {
  prober: Prober;
  /** Address of the application: the pod's own. */
  host: string;
  transport: Transport;
  clock: Clock;
  /** Of kubelet's request, names and values by turns; passed on. Default none. */
  headers?: readonly string[];
};

export type ProbeResult = { status: number; body: string };

/** Asks once, within the probe's timeout (default 1 s). Never throws: a failure is status 500 and its reason. */
export async function probeApp(options: ProbeOptions): Promise<ProbeResult> {
  const { prober, clock } = options;
  const timeoutMs = (prober.timeoutSeconds || 1) * 1000;
  const abort = new AbortController();
  const timer = clock.after(timeoutMs, () => abort.abort(new Error(`no answer within ${timeoutMs} ms`)), { background: true });
  try {
    if (prober.httpGet) return await probeHttp(options, prober.httpGet, abort.signal);
    if (prober.tcpSocket) return await probeTcp(options, Number(prober.tcpSocket.port), abort.signal);
    if (prober.grpc) return await probeGrpc(options, prober.grpc, abort.signal);
    return { status: 400, body: 'the probe has no action\n' };
  } catch (error) {
    return { status: 500, body: `${messageOf(error)}\n` };
  } finally {
    timer.cancel();
  }
}

const MAX_REDIRECTS = 10;

/** As kubelet itself: redirects within the application are followed, one to elsewhere is an answer like any other. */
async function probeHttp(options: ProbeOptions, action: NonNullable<Prober['httpGet']>, signal: AbortSignal): Promise<ProbeResult> {
  const scheme = action.scheme?.toUpperCase() === 'HTTPS' ? 'https' : 'http';
  const named = options.host.includes(':') ? `[${options.host}]` : options.host;
  let url = new URL(`${scheme}://${named}:${action.port}`);
  // Not by resolution: "//elsewhere" is a path here.
  const path = action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`;
  let answer = await ask(options, { url, path, headers: headersOf(options, action), signal });
  for (let followed = 1; answer.location !== undefined; followed++) {
    const next = URL.canParse(answer.location, url) ? new URL(answer.location, url) : undefined;
    if (next?.hostname !== url.hostname) break;
    if (followed >= MAX_REDIRECTS) return { status: 500, body: `more than ${MAX_REDIRECTS} redirects\n` };
    url = next;
    answer = await ask(options, { url, path: url.pathname + url.search, headers: headersOf(options, action), signal });
  }
  return { status: answer.status >= 300 && answer.status < 400 ? 200 : answer.status, body: '' };
}

// The endpoint's own connection and framing are no business of the application.
const NOT_PASSED_ON = new Set(['host', 'connection', 'content-length', 'transfer-encoding']);

function headersOf({ host, headers = [] }: ProbeOptions, action: NonNullable<Prober['httpGet']>): Record<string, string[]> {
  const own = (action.httpHeaders ?? []).map(({ name, value }) => [
    name.toLowerCase() === ':authority' ? 'host' : name.toLowerCase(),
    value,
  ]);
  const ofKubelet = headers.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), headers[i + 1] as string]] : []));
  const passedOn = ofKubelet.filter(([name = '']) => !NOT_PASSED_ON.has(name) && !own.some(([owned]) => owned === name));
  const all = new Map<string, string[]>([
    ['host', [`${action.host || host}:${action.port}`]],
    ['connection', ['close']],
  ]);
  const seen = new Set<string>();
  for (const [name = '', value = ''] of [...passedOn, ...own]) {
    const before = seen.has(name) ? (all.get(name) ?? []) : [];
    seen.add(name);
    // A second Host would be refused by every server.
    all.set(name, name === 'host' ? [value] : [...before, value]);
  }
  return Object.fromEntries(all);
}

type Question = { url: URL; path: string; headers: Record<string, string[]>; signal: AbortSignal };

function ask({ host, transport }: ProbeOptions, { url, path, headers, signal }: Question): Promise<{ status: number; location?: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        method: 'GET',
        path,
        headers,
        signal,
        createConnection() {
          const socket = transport.dial({ host, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) });
          // Kubelet does not verify the certificate of a probed application either.
          return url.protocol === 'https:' ? connectTls({ socket, rejectUnauthorized: false }) : socket;
        },
      },
      (response) => {
        const { statusCode = 500, headers: answered } = response;
        response.resume();
        response.on('error', reject);
        response.on('end', () => {
          const { location } = answered;
          resolve({ status: statusCode, ...(REDIRECTS.has(statusCode) && location !== undefined && { location }) });
        });
      },
    );
    request.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    request.end();
  });
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function probeTcp({ host, transport }: ProbeOptions, port: number, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const socket = transport.dial({ host, port });
    const onAbort = () => socket.destroy(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve({ status: 200, body: '' });
    });
  });
}

const SERVING = 1;

/** grpc.health.v1.Health/Check; the two messages are one field each, so they are written by hand. */
function probeGrpc(
  { host, transport }: ProbeOptions,
  { port, service }: NonNullable<Prober['grpc']>,
  signal: AbortSignal,
): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${host}:${port}`, { createConnection: () => transport.dial({ host, port }) });
    const settle = (result: ProbeResult) => {
      session.close();
      resolve(result);
    };
    const fail = (error: Error) => {
      session.destroy();
      reject(error);
    };
    signal.addEventListener('abort', () => fail(signal.reason as Error), { once: true });
    session.on('error', fail);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    let grpcStatus = '';
    stream.on('response', (headers) => {
      grpcStatus = String(headers['grpc-status'] ?? '');
    });
    stream.on('trailers', (headers) => {
      grpcStatus = String(headers['grpc-status'] ?? '');
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', fail);
    stream.on('end', () => {
      const message = Buffer.concat(chunks).subarray(5);
      if (grpcStatus !== '0') return settle({ status: 500, body: `health check failed with gRPC status ${grpcStatus || 'missing'}\n` });
      const isServing = message[0] === 0x08 && message[1] === SERVING;
      settle(isServing ? { status: 200, body: '' } : { status: 500, body: `service is not serving (${message[1] ?? 0})\n` });
    });
    stream.end(healthRequest(service ?? ''));
  });
}

function healthRequest(service: string): Buffer {
  const name = Buffer.from(service).subarray(0, 127);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  return frame;
}
