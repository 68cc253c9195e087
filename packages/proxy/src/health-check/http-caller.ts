// One request at a time to one host, for health checks, by either version of HTTP.

import { Head } from '../http/head.ts';
import { Http1Client, type Http1ClientHost } from '../http/http1-client.ts';
import type { ClientStream, ClientStreamHandler } from '../http/stream.ts';
import { ClientSession, type ClientSessionHost } from '../http2/client-session.ts';
import { type Connection, type ConnectionHandler, ignoring } from '../io/connection.ts';
import type { Http2Settings } from '../runtime/model.ts';
import { connectUpstream } from '../upstream/connect.ts';
import type { ProbeTarget } from './probe.ts';

export type CallRequest = {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  /** Lower-case names. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
};

export interface CallHandler {
  onResponse(status: number, header: (name: string) => string | undefined): void;
  onData(bytes: Buffer): void;
  /** `trailer`: what came after the body, or nothing. */
  onEnd(trailer: (name: string) => string | undefined): void;
  /** Last call when the response is not complete. */
  onFailure(why: string): void;
}

const FIELD_LIMITS = { maxBytes: 60 * 1024, maxCount: 100 };
const LINGER_MS = 1000;
/** For clusters that say nothing of HTTP/2 themselves: an answer is small. */
const SETTINGS: Http2Settings = {
  maxConcurrentStreams: 1,
  initialStreamWindowBytes: 65_535,
  initialConnectionWindowBytes: 65_535,
  hpackTableBytes: 4096,
  allowConnect: false,
  maxOutboundFrames: 1000,
  maxOutboundControlFrames: 100,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  streamErrorOnInvalidHttpMessage: true,
  keepalive: undefined,
};

export class HttpCaller implements Http1ClientHost, ClientSessionHost, ClientStreamHandler {
  private readonly target: ProbeTarget;
  private readonly version: 'HTTP/1.1' | 'HTTP/2';
  private connection: Connection | undefined;
  private client: Http1Client | ClientSession | undefined;
  private handler: CallHandler | undefined;

  constructor(target: ProbeTarget, version: 'HTTP/1.1' | 'HTTP/2') {
    this.target = target;
    this.version = version;
  }

  /** Only after the call before has ended. */
  call(request: CallRequest, handler: CallHandler): void {
    this.handler = handler;
    if (this.client) return this.send(request);
    const { cluster, host, applicationProtocols } = this.target;
    const connecting: ConnectionHandler = { ...ignoring, onClose: (error) => this.fail(error ?? 'the connection was closed') };
    const onConnect = () => {
      this.client = this.version === 'HTTP/2' ? this.createSession() : this.createClient();
      this.send(request);
    };
    const spoken = this.version === 'HTTP/2' ? { applicationProtocols: ['h2'] } : {};
    const { transportCriteria } = this.target;
    const options = {
      ...(applicationProtocols.length > 0 ? { alpnOverride: applicationProtocols } : spoken),
      isProbe: true,
      transportCriteria,
    };
    this.connection = connectUpstream(cluster, host, options, { handler: connecting, onConnect });
  }

  private createClient(): Http1Client {
    const client = new Http1Client(this);
    client.connection = this.connection as Connection;
    client.connection.handler = client;
    return client;
  }

  private createSession(): ClientSession {
    const { context, runtime } = this.target.cluster;
    return new ClientSession(this.connection as Connection, this, {
      count() {},
      settings: 'http2' in runtime.protocol ? runtime.protocol.http2 : SETTINGS,
      fieldLimits: FIELD_LIMITS,
      lingerMs: LINGER_MS,
      sendStallMs: 0,
      services: { timeouts: context.timeouts, monotonicMs: () => context.clock.monotonicMs(), random: context.random },
    });
  }

  private send({ method, path, authority, headers, body }: CallRequest): void {
    const { client } = this;
    const { cluster } = this.target;
    const stream: ClientStream | undefined = client instanceof ClientSession ? client.open(cluster.breakers.default) : client;
    if (!stream) return;
    const head = new Head(FIELD_LIMITS.maxCount);
    head.add('host', authority);
    for (const [name, value] of headers) head.add(name, value);
    // HTTP/2 has an end of its own.
    if (body.length > 0 && this.version === 'HTTP/1.1') head.add('content-length', String(body.length));
    stream.attach(this);
    const first = body.length > 0 ? Buffer.from(body) : undefined;
    stream.sendHead({ method, path }, head, '', { first, end: true });
  }

  onResponseHead(head: Head, first: Buffer | undefined, end: boolean): void {
    const { handler } = this;
    handler?.onResponse(head.status, (name) => head.value(name));
    if (first) handler?.onData(first);
    if (end) this.onResponseEnd(undefined);
  }

  onResponseData(bytes: Buffer): void {
    this.handler?.onData(bytes);
  }

  onResponseEnd(trailers: Head | undefined): void {
    const { handler } = this;
    this.handler = undefined;
    // Values are read now: the codec uses the object again.
    const values = new Map<string, string>();
    trailers?.forEach((name, value) => void values.set(name, value));
    if (!this.target.reuseConnection) this.close();
    handler?.onEnd((name) => values.get(name));
  }

  onUpstreamReset(reason: string, detail: string): void {
    this.fail(detail === '' ? reason : `${reason}: ${detail}`);
  }

  private fail(why: string): void {
    const { handler } = this;
    this.close();
    handler?.onFailure(why);
  }

  /** Drops the connection; the handler hears nothing more. `call` may follow. */
  close(): void {
    const { connection, client } = this;
    this.connection = undefined;
    this.client = undefined;
    this.handler = undefined;
    if (!connection) return;
    connection.handler = ignoring;
    connection.destroy();
    // A session has timers of its own to end.
    if (client instanceof ClientSession) client.onClose();
  }

  /** Of a connection that cannot carry another request. */
  private leave(client: Http1Client | ClientSession): void {
    if (this.client === client) this.client = undefined;
  }

  onGone(client: Http1Client | ClientSession): void {
    this.leave(client);
  }

  onRetired(session: ClientSession): void {
    this.leave(session);
  }

  onReusable(): void {}
  onStreamFree(): void {}
  onInformational(): void {}
  onUpgraded(): void {}
  onRequestDrain(): void {}
}
