// The upstream of the HTTP/1.1 tests: keeps every byte, reads requests with its own strict parser, answers each with what it saw.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { readRequest, type SeenRequest } from './request-reader.ts';

export type RecordedConnection = {
  /** latin1. */
  received: string;
  /** Where in `received` what is no complete request yet begins. */
  readTo: number;
  ended: boolean;
  readonly socket: Socket;
};

/** What came since a moment. */
export type Recorded = {
  requests: SeenRequest[];
  /** Heads whose bodies never came whole, or bytes of less than a head. */
  cut: string[];
  bytes: number;
};

export type Recorder = {
  readonly port: number;
  readonly connections: RecordedConnection[];
  /** Output of the proxy since the mark that is not canonical HTTP. Empty, or something is broken. */
  violations: string[];
  /** Begins a new record. */
  mark(): void;
  since(): Recorded;
  close(): Promise<void>;
};

/** Decides the bytes of the answer; undefined: the default (200, the request's target in `x-target`, method and target as the body). */
export type Answer = (request: SeenRequest) => string | undefined;

export function answerOf({ method, target, body }: SeenRequest): string {
  const short = target.slice(0, 1000);
  const text = method === 'HEAD' ? '' : `${method} ${short} ${body.length}`;
  return `HTTP/1.1 200 OK\r\nx-target: ${short}\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
}

/** Starts it on a free loopback port; the caller closes it. */
export async function startRecorder(answer: Answer = () => undefined): Promise<Recorder> {
  const connections: RecordedConnection[] = [];
  let requests: SeenRequest[] = [];
  let marks = new Map<RecordedConnection, number>();
  const server = createServer({ noDelay: true }, (socket) => {
    const connection: RecordedConnection = { received: '', readTo: 0, ended: false, socket };
    connections.push(connection);
    socket.on('error', () => {});
    socket.on('close', () => {
      connection.ended = true;
    });
    socket.on('data', (bytes: Buffer) => {
      connection.received += bytes.toString('latin1');
      for (;;) {
        const reading = readRequest(connection.received, connection.readTo);
        if (reading.kind === 'incomplete') return;
        if (reading.kind === 'violation') {
          recorder.violations.push(reading.what);
          connection.readTo = connection.received.length;
          return void socket.destroy();
        }
        connection.readTo = reading.end;
        requests.push(reading.request);
        const reply = answer(reading.request) ?? answerOf(reading.request);
        if (reply !== '') socket.write(Buffer.from(reply, 'latin1'));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const recorder: Recorder = {
    port: (server.address() as AddressInfo).port,
    connections,
    violations: [],
    mark() {
      recorder.violations = [];
      requests = [];
      marks = new Map(connections.map((one) => [one, one.received.length]));
    },
    since() {
      let bytes = 0;
      const cut: string[] = [];
      for (const one of connections) {
        bytes += one.received.length - (marks.get(one) ?? 0);
        if (one.readTo < one.received.length && one.received.length > (marks.get(one) ?? 0)) cut.push(one.received.slice(one.readTo));
      }
      return { requests, cut, bytes };
    },
    async close() {
      for (const { socket } of connections) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return recorder;
}
