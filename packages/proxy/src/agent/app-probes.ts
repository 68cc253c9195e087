// Kubernetes' probes of the application, asked by the agent in kubelet's stead: under strict mutual TLS kubelet could not.

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { type Clock, CodedError, messageOf, type Transport } from '@lateen/base';

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
    return new Map(Object.entries(JSON.parse(json) as Record<string, Prober>));
  } catch (error) {
    throw new CodedError({ code: 'LAT4101', what: "the proxy's environment is malformed: ISTIO_KUBE_APP_PROBERS", why: messageOf(error) });
  }
}

export type ProbeOptions = {
  prober: Prober;
  /** Address of the application: the pod's own. */
  host: string;
  transport: Transport;
  clock: Clock;
  /** Of kubelet's request; passed on. */
  headers: IncomingHttpHeaders;
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

const PASSED_ON = ['user-agent', 'accept'];

function probeHttp(
  { host, transport, headers }: ProbeOptions,
  action: NonNullable<Prober['httpGet']>,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const port = Number(action.port);
  const custom = Object.fromEntries((action.httpHeaders ?? []).map(({ name, value }) => [name.toLowerCase(), value]));
  const passedOn = Object.fromEntries(PASSED_ON.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        method: 'GET',
        path: action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`,
        headers: { host: `${action.host || host}:${port}`, connection: 'close', ...passedOn, ...custom },
        signal,
        createConnection() {
          const socket = transport.dial({ host, port });
          // Kubelet does not verify the certificate of a probed application either.
          return action.scheme?.toUpperCase() === 'HTTPS' ? connectTls({ socket, rejectUnauthorized: false }) : socket;
        },
      },
      (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 500, body: '' }));
      },
    );
    request.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    request.end();
  });
}

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
