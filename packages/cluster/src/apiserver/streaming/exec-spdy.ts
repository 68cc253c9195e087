// exec and attach over SPDY/3.1, for clients from before WebSockets: one stream for each of error, stdin, stdout, stderr, resize.

import type { Duplex } from 'node:stream';
import { messageOf } from '@lateen/base';
import type { ExecResult } from '../../contracts.ts';
import { execStatus } from './exec-status.ts';
import { drained, type ExecWants, type RunExec, resize } from './exec-websocket.ts';
import { createSpdySession } from './spdy-session.ts';

/** Runs a command once the client has opened its streams, and ends the connection. */
export async function serveExecSpdy(connection: Duplex, wants: ExecWants, run: RunExec): Promise<void> {
  const expected = [
    'error',
    ...(wants.stdin ? ['stdin'] : []),
    ...(wants.stdout ? ['stdout'] : []),
    ...(wants.stderr && !wants.tty ? ['stderr'] : []),
    ...(wants.tty ? ['resize'] : []),
  ];
  const streams = new Map<string, Duplex>();
  let isReady = () => {};
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const session = createSpdySession(connection, ({ headers, duplex }) => {
    streams.set(headers.get('streamtype') ?? '', duplex);
    if (expected.every((type) => streams.has(type))) isReady();
  });
  await Promise.race([ready, session.closed]);
  if (!expected.every((type) => streams.has(type))) return;
  const resizers: ((columns: number, rows: number) => void)[] = [];
  streams.get('resize')?.on('data', (chunk: Buffer) => resize(chunk, resizers));
  const result = await run({
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    resize: (onResize) => void resizers.push(onResize),
  }).catch((error: unknown): ExecResult => ({ error: messageOf(error) }));
  await Promise.all([drained(streams.get('stdout')), drained(streams.get('stderr'))]);
  const errors = streams.get('error');
  errors?.end(JSON.stringify(execStatus(result)));
  await drained(errors);
  // The client closes when it has read everything; a lost one is cut off by the connection itself.
  await session.closed;
}
