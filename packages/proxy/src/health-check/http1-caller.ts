import { Head } from '../http/head.ts';
import { Http1Client, type Http1ClientHost } from '../http/http1-client.ts';
import type { ClientStreamHandler } from '../http/stream.ts';
import { type ConnectionHandler, ignoring } from '../io/connection.ts';
import { connectUpstream } from '../upstream/connect.ts';
import type { CallHandler, CallRequest, HttpCaller } from './http-caller.ts';
import type { ProbeTarget } from './probe.ts';

const MAX_HEADERS = 100;
const NONE = () => undefined;

export class Http1Caller implements HttpCaller, Http1ClientHost, ClientStreamHandler {
  private readonly target: ProbeTarget;
  private client: Http1Client | undefined;
  private handler: CallHandler | undefined;

  constructor(target: ProbeTarget) {
    this.target = target;
  }

  call(request: CallRequest, handler: CallHandler): void {
    this.handler = handler;
    if (this.client) return this.send(this.client, request);
    const { cluster, host, applicationProtocols } = this.target;
    const client = new Http1Client(this);
    this.client = client;
    const connecting: ConnectionHandler = { ...ignoring, onClose: (error) => this.fail(error ?? 'the connection was closed') };
    const onConnect = () => {
      if (this.client !== client) return;
      client.connection.handler = client;
      this.send(client, request);
    };
    client.connection = connectUpstream(cluster, host, { applicationProtocols }, { handler: connecting, onConnect });
  }

  private send(client: Http1Client, { method, path, authority, headers, body }: CallRequest): void {
    const head = new Head(MAX_HEADERS);
    head.add('host', authority);
    for (const [name, value] of headers) head.add(name, value);
    if (body.length > 0) head.add('content-length', String(body.length));
    client.attach(this);
    const first = body.length > 0 ? Buffer.from(body) : undefined;
    client.sendHead({ method, path }, head, '', { first, end: true });
  }

  onResponseHead(head: Head, first: Buffer | undefined, end: boolean): void {
    const { handler } = this;
    handler?.onResponse(head.status, (name) => head.value(name));
    if (first) handler?.onData(first);
    if (end) this.onResponseEnd();
  }

  onResponseData(bytes: Buffer): void {
    this.handler?.onData(bytes);
  }

  onResponseEnd(): void {
    const { handler } = this;
    this.handler = undefined;
    handler?.onEnd(NONE);
  }

  onUpstreamReset(reason: string, detail: string): void {
    this.fail(detail === '' ? reason : `${reason}: ${detail}`);
  }

  private fail(why: string): void {
    const { handler } = this;
    this.handler = undefined;
    this.client = undefined;
    handler?.onFailure(why);
  }

  onReusable(client: Http1Client): void {
    if (!this.target.reuseConnection) client.abandon();
  }

  onGone(client: Http1Client): void {
    if (this.client === client) this.client = undefined;
  }

  close(): void {
    const { client } = this;
    this.client = undefined;
    this.handler = undefined;
    if (!client) return;
    client.connection.handler = ignoring;
    client.connection.destroy();
  }

  onInformational(): void {}
  onUpgraded(): void {}
  onRequestDrain(): void {}
}
