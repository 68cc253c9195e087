// B1: the preface, frames in general, and what fits which state of a stream (RFC 9113 sections 3 to 5). Priority is obsolete in
// RFC 9113: both outcomes of its cases are fine.

import assert from 'node:assert/strict';
import { afterAnswer, type Check, GET, open, raw, sends } from './check.ts';
import { alive, answers, connectionError, oneOf, streamError } from './expectations.ts';
import {
  continuation,
  data,
  ERROR,
  FLAG,
  frame,
  headers,
  priority,
  priorityFields,
  rstStream,
  SETTING,
  TYPE,
  windowUpdate,
} from './frames.ts';
import { block, literal } from './hpack.ts';

const { protocol, frameSize, streamClosed, compression } = ERROR;

export const CONNECTION: readonly Check[] = [
  { section: '3.4', name: 'preface', run: sends(headers(1, GET)), expects: answers() },
  {
    section: '3.4',
    name: 'a broken preface',
    handshake: false,
    run: (c) => c.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX')),
    expects: (c) => c.until('the end of the connection', () => c.closed),
  },
  { section: '4.1', name: 'a frame of an unknown type', run: sends(raw(0, 0xff, 8), headers(1, GET)), expects: answers() },
  { section: '4.1', name: 'an undefined flag', run: sends(frame(TYPE.ping, { flags: 0x16, payload: Buffer.alloc(8) })), expects: alive },
  {
    section: '4.1',
    name: 'the reserved bit of the stream identifier',
    run: sends(frame(TYPE.ping, { stream: 2 ** 31, payload: Buffer.alloc(8) })),
    expects: alive,
  },
  { section: '4.2', name: 'DATA of the greatest size', run: sends(open(), data(1, Buffer.alloc(16384))), expects: answers() },
  { section: '4.2', name: 'DATA too large', run: sends(open(), data(1, Buffer.alloc(16385))), expects: streamError(1, frameSize) },
  {
    section: '4.2',
    name: 'HEADERS too large',
    run: sends(headers(1, Buffer.concat([GET, ...Array.from({ length: 5 }, () => literal('x-dummy', 'x'.repeat(4000)))]))),
    expects: connectionError(frameSize),
  },
  { section: '4.3', name: 'a broken field block', run: sends(headers(1, Buffer.from([0x40]))), expects: connectionError(compression) },
  {
    section: '4.3',
    name: 'PRIORITY inside a field block',
    run: sends(headers(1, GET, { endHeaders: false }), priority(1, 0), continuation(1, block([['x', 'y']]))),
    expects: connectionError(protocol),
  },
  {
    section: '4.3',
    name: 'HEADERS of another stream inside a field block',
    run: sends(headers(1, GET, { endHeaders: false }), headers(3, GET), continuation(1, block([['x', 'y']]))),
    expects: connectionError(protocol),
  },
];

export const STATES: readonly Check[] = [
  { section: '5.1', name: 'idle: DATA', run: sends(data(1, 'test')), expects: connectionError(protocol, streamClosed) },
  { section: '5.1', name: 'idle: RST_STREAM', run: sends(rstStream(1)), expects: connectionError(protocol) },
  { section: '5.1', name: 'idle: WINDOW_UPDATE', run: sends(windowUpdate(1, 100)), expects: connectionError(protocol) },
  { section: '5.1', name: 'idle: CONTINUATION', run: sends(continuation(1, GET)), expects: connectionError(protocol) },
  { section: '5.1', name: 'half-closed: DATA', run: sends(headers(1, GET), data(1, 'test')), expects: streamError(1, streamClosed) },
  { section: '5.1', name: 'half-closed: HEADERS', run: sends(headers(1, GET), headers(1, GET)), expects: streamError(1, streamClosed) },
  {
    section: '5.1',
    name: 'half-closed: CONTINUATION',
    run: sends(headers(1, GET), continuation(1, GET)),
    expects: connectionError(protocol, streamClosed),
  },
  {
    section: '5.1',
    notEnvoy: 'ignored there',
    name: 'closed by RST_STREAM: DATA',
    run: sends(open(), rstStream(1), data(1, 'test')),
    // RFC 9113 5.1: what comes after an own RST_STREAM may be ignored no longer, or answered with STREAM_CLOSED.
    expects: oneOf(streamError(1, streamClosed)),
  },
  {
    section: '5.1',
    notEnvoy: 'ignored there',
    name: 'closed by RST_STREAM: HEADERS',
    run: sends(open(), rstStream(1), headers(1, GET)),
    expects: streamError(1, streamClosed, protocol),
  },
  {
    section: '5.1',
    name: 'closed by RST_STREAM: CONTINUATION',
    run: sends(open(), rstStream(1), continuation(1, GET)),
    expects: connectionError(protocol, streamClosed),
  },
  {
    section: '5.1',
    notEnvoy: 'ignored there',
    name: 'closed: DATA',
    run: afterAnswer(data(1, 'test')),
    expects: streamError(1, streamClosed),
  },
  {
    section: '5.1',
    notEnvoy: 'ignored there',
    name: 'closed: HEADERS',
    run: afterAnswer(headers(1, GET)),
    expects: connectionError(streamClosed, protocol),
  },
  {
    section: '5.1',
    name: 'closed: CONTINUATION',
    run: afterAnswer(continuation(1, GET)),
    expects: connectionError(protocol, streamClosed),
  },
  { section: '5.1.1', name: 'an even stream identifier', run: sends(headers(2, GET)), expects: connectionError(protocol) },
  {
    section: '5.1.1',
    notEnvoy: 'ignored there',
    name: 'a stream identifier below the last one',
    run: sends(headers(5, GET), headers(3, GET)),
    expects: connectionError(protocol, streamClosed),
  },
  {
    section: '5.1.2',
    name: 'more streams than allowed',
    run: (c) => {
      const allowed = c.serverSettings.get(SETTING.maxConcurrentStreams) ?? 100;
      c.send(...Array.from({ length: allowed + 1 }, (_, i) => open(1 + 2 * i)));
    },
    expects: async (c) => {
      const allowed = c.serverSettings.get(SETTING.maxConcurrentStreams) ?? 100;
      await streamError(1 + 2 * allowed, protocol, ERROR.refusedStream)(c);
    },
  },
  {
    section: '5.3',
    name: 'HEADERS that depend on themselves',
    run: sends(
      frame(TYPE.headers, {
        stream: 1,
        flags: FLAG.endStream | FLAG.endHeaders | FLAG.priority,
        payload: Buffer.concat([priorityFields(1), GET]),
      }),
    ),
    expects: oneOf(answers(), streamError(1, protocol)),
  },
  { section: '5.3', name: 'PRIORITY that depends on itself', run: sends(priority(1, 1)), expects: oneOf(alive, streamError(1, protocol)) },
  {
    section: '5.4.1',
    name: 'after a connection error the connection ends',
    run: sends(raw(0, TYPE.ping, 6)),
    expects: connectionError(frameSize),
  },
  {
    section: '5.4.1',
    name: 'GOAWAY names the last stream',
    run: afterAnswer(raw(0, TYPE.ping, 6)),
    expects: async (c) => {
      await connectionError(frameSize)(c);
      assert.equal(c.frames.find(({ type }) => type === TYPE.goaway)!.payload.readUInt32BE(0), 1);
    },
  },
  { section: '5.5', name: 'an extension frame', run: sends(raw(0, 0x16, 8)), expects: alive },
  {
    section: '5.5',
    name: 'an extension frame inside a field block',
    run: sends(headers(1, GET, { endHeaders: false }), raw(1, 0x16, 8), continuation(1, block([['x', 'y']]))),
    expects: connectionError(protocol),
  },
];
