// A gRPC service and its client, for pods of the mesh: `greeter.ts serve PORT` and `greeter.ts call ADDRESS METHOD COUNT [NAME=VALUE …]`.
// Messages are plain text. The client prints one line of JSON for each call. PORT beats the port that is asked for.

import { argv, env, stdout } from 'node:process';
import { Client, credentials, Metadata, Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';

export type GreeterMethod = 'SayHello' | 'SayMany' | 'Fail';
/** What one call gave: the messages, or the code it failed with. */
export type GreeterCall = { messages: string[]; code: number };

const PREFIX = '/lateen.test.Greeter/';
const DEADLINE_MS = 5000;
const serialize = (text: string): Buffer => Buffer.from(text);
const deserialize = (bytes: Buffer): string => bytes.toString();

const method = (name: GreeterMethod, responseStream = false) => ({
  path: PREFIX + name,
  requestStream: false,
  responseStream,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
});
const service: ServiceDefinition = { SayHello: method('SayHello'), SayMany: method('SayMany', true), Fail: method('Fail') };

function serve(port: number): void {
  const greeting = `hello from ${env['VERSION']}`;
  const server = new Server();
  server.addService(service, {
    SayHello: (_call: unknown, done: (error: null, text: string) => void) => done(null, greeting),
    SayMany(call: { write(text: string): void; end(): void }) {
      for (let i = 1; i <= 3; i++) call.write(`${greeting} ${i}`);
      call.end();
    },
    Fail: (_call: unknown, done: (error: object) => void) => done({ code: status.NOT_FOUND, details: 'nobody of that name' }),
  });
  server.bindAsync(`0.0.0.0:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

/** One call after the other over one channel. */
export async function callGreeter(
  address: string,
  name: GreeterMethod,
  { count = 1, headers = {} }: { count?: number; headers?: Readonly<Record<string, string>> } = {},
): Promise<GreeterCall[]> {
  const client = new Client(address, credentials.createInsecure());
  const metadata = new Metadata();
  for (const [header, value] of Object.entries(headers)) metadata.set(header, value);
  const calls: GreeterCall[] = [];
  for (let i = 0; i < count; i++) calls.push(await callOnce(client, name, metadata));
  client.close();
  return calls;
}

function callOnce(client: Client, name: GreeterMethod, metadata: Metadata): Promise<GreeterCall> {
  return new Promise((resolve) => {
    const messages: string[] = [];
    const options = { deadline: Date.now() + DEADLINE_MS };
    const call = client.makeServerStreamRequest(PREFIX + name, serialize, deserialize, 'world', metadata, options);
    call.on('data', (text: string) => messages.push(text));
    // The status comes after it.
    call.on('error', () => {});
    call.on('status', ({ code }) => resolve({ messages, code }));
  });
}

if (import.meta.main) {
  const [, , what, target = '', name, count, ...headers] = argv;
  if (what === 'serve') serve(Number(env['PORT'] ?? target));
  else {
    const pairs = headers.map((header) => header.split('=', 2) as [string, string]);
    const calls = await callGreeter(target, name as GreeterMethod, { count: Number(count), headers: Object.fromEntries(pairs) });
    for (const call of calls) stdout.write(`${JSON.stringify(call)}\n`);
  }
}
