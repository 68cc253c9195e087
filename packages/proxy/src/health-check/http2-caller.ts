// HTTP/2 for health checks by Node's own client: a request now and then needs nothing of the data path's codec. Loaded at the first
// check that asks for it.

import type { ClientHttp2Session } from 'node:http2';
import { type Connection, type ConnectionHandler, ignoring } from '../io/connection.ts';
import { connectUpstream } from '../upstream/connect.ts';
import type { CallHandler, CallRequest, HttpCaller } from './http-caller.ts';
import type { ProbeTarget } from './probe.ts';

const NONE = () => undefined;
type Fields = Readonly<Record<string, string | string[] | number | undefined>>;

export class Http2Caller implements HttpCaller {
  private readonly target: ProbeTarget;
  private connection: Connection | undefined;
  private session: ClientHttp2Session | undefined;
  /** Changes with each connection: what an older one still says does not count. */
  private generation = 0;

  constructor(target: ProbeTarget) {
    this.target = target;
  }

  call(request: CallRequest, handler: CallHandler): void {
    if (this.session && !this.session.closed && !this.session.destroyed) return this.send(this.session, request, handler);
    this.close();
    const { generation } = this;
    const { cluster, host, applicationProtocols } = this.target;
    const fail = (why: string) => {
      if (generation !== this.generation) return;
      this.close();
      handler.onFailure(why);
    };
    const connecting: ConnectionHandler = { ...ignoring, onClose: (error) => fail(error ?? 'the connection was closed') };
    const options = { applicationProtocols: applicationProtocols.length > 0 ? applicationProtocols : ['h2'] };
    const onConnect = async () => {
      const { connect } = await import('node:http2');
      const { connection } = this;
      if (generation !== this.generation || !connection) return;
      const socket = connection.release(undefined);
      this.connection = undefined;
      const session = connect(`http://${host.address}`, { createConnection: () => socket });
      session.on('error', (error) => fail(error.message));
      this.session = session;
      this.send(session, request, handler);
    };
    const events = { handler: connecting, onConnect: () => void onConnect().catch((error: unknown) => fail(String(error))) };
    this.connection = connectUpstream(cluster, host, options, events);
  }

  private send(session: ClientHttp2Session, { method, path, authority, headers, body }: CallRequest, handler: CallHandler): void {
    const { generation } = this;
    const isCurrent = () => generation === this.generation;
    let ended = false;
    let trailers: Fields = {};
    const fields = { ...Object.fromEntries(headers), ':method': method, ':path': path, ':authority': authority, ':scheme': 'http' };
    const stream = session.request(fields, { endStream: body.length === 0 });
    const fail = (why: string) => {
      if (ended || !isCurrent()) return;
      ended = true;
      handler.onFailure(why);
    };
    stream.on('response', (answer: Fields) => {
      if (isCurrent()) handler.onResponse(Number(answer[':status']), reader(answer));
    });
    stream.on('trailers', (answer: Fields) => {
      trailers = answer;
    });
    stream.on('data', (bytes: Buffer) => {
      if (isCurrent()) handler.onData(bytes);
    });
    stream.on('end', () => {
      if (ended || !isCurrent()) return;
      ended = true;
      const read = reader(trailers);
      if (!this.target.reuseConnection) this.close();
      handler.onEnd(read);
    });
    stream.on('error', (error) => fail(error.message));
    stream.on('close', () => fail('the stream was closed'));
    if (body.length > 0) stream.end(Buffer.from(body));
  }

  close(): void {
    this.generation++;
    const { connection, session } = this;
    this.connection = undefined;
    this.session = undefined;
    if (connection) {
      connection.handler = ignoring;
      connection.destroy();
    }
    session?.destroy();
  }
}

const reader = (fields: Fields) => {
  const values = new Map(Object.entries(fields).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));
  return (name: string): string | undefined => values.get(name)?.toString() ?? NONE();
};
