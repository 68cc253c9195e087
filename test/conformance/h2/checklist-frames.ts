// B1: every type of frame, and the windows (RFC 9113 sections 6 and 7).

import assert from 'node:assert/strict';
import { type Check, GET, open, POST, raw, sends } from './check.ts';
import { alive, answers, connectionError, type Expectation, oneOf, streamError } from './expectations.ts';
import type { FrameClient } from './frame-client.ts';
import {
  continuation,
  data,
  ERROR,
  FLAG,
  goaway,
  headers,
  ping,
  priority,
  rstStream,
  SETTING,
  settings,
  TYPE,
  windowUpdate,
} from './frames.ts';
import { block } from './hpack.ts';

const MAX_WINDOW = 2 ** 31 - 1;
const { protocol, frameSize, flowControl, streamClosed } = ERROR;

const oddSettings = (...pairs: [number, number][]): Check['run'] => sends(settings(pairs));
const windowOne: Check['settings'] = [[SETTING.initialWindowSize, 1]];

/** DATA of stream 1 so far, in bytes. */
const received = (c: FrameClient): number =>
  c.frames.filter(({ type, stream }) => type === TYPE.data && stream === 1).reduce((sum, { payload }) => sum + payload.length, 0);

/** The answer stops at `first` bytes of body and ends once the window opens. */
const flows =
  (first: number): Expectation =>
  async (c) => {
    await c.until(`${first} bytes of DATA`, () => received(c) === first);
    await alive(c);
    assert.equal(received(c), first, c.summary());
    c.send(windowUpdate(1, 1000));
    await answers()(c);
  };

export const FRAMES: readonly Check[] = [
  { section: '6.1', name: 'DATA of stream 0', run: sends(data(0, 'test')), expects: connectionError(protocol) },
  {
    section: '6.1',
    name: 'DATA of a stream that is not open',
    run: sends(headers(1, GET), data(1, 'test')),
    expects: streamError(1, streamClosed),
  },
  {
    section: '6.1',
    name: 'DATA with more padding than payload',
    run: sends(open(), raw(1, TYPE.data, Buffer.from([6, 1, 2, 3]), FLAG.padded | FLAG.endStream)),
    expects: connectionError(protocol),
  },
  {
    section: '6.2',
    name: 'HEADERS, then PRIORITY before CONTINUATION',
    run: sends(headers(1, GET, { endHeaders: false }), priority(3, 0)),
    expects: connectionError(protocol),
  },
  {
    section: '6.2',
    name: 'HEADERS, then HEADERS of another stream',
    run: sends(headers(1, GET, { endHeaders: false }), headers(3, GET)),
    expects: connectionError(protocol),
  },
  { section: '6.2', name: 'HEADERS of stream 0', run: sends(headers(0, GET)), expects: connectionError(protocol) },
  {
    section: '6.2',
    name: 'HEADERS with more padding than payload',
    run: sends(raw(1, TYPE.headers, Buffer.concat([Buffer.from([GET.length + 2]), GET]), FLAG.padded | FLAG.endStream | FLAG.endHeaders)),
    expects: connectionError(protocol),
  },
  {
    section: '6.3',
    notEnvoy: 'ignored there',
    name: 'PRIORITY of stream 0',
    run: sends(priority(0, 1)),
    expects: connectionError(protocol),
  },
  { section: '6.3', name: 'PRIORITY of 4 bytes', run: sends(raw(1, TYPE.priority, 4)), expects: oneOf(streamError(1, frameSize), alive) },
  { section: '6.4', name: 'RST_STREAM of stream 0', run: sends(rstStream(0)), expects: connectionError(protocol) },
  { section: '6.4', name: 'RST_STREAM of an idle stream', run: sends(rstStream(1)), expects: connectionError(protocol) },
  { section: '6.4', name: 'RST_STREAM of 3 bytes', run: sends(open(), raw(1, TYPE.rstStream, 3)), expects: connectionError(frameSize) },
  {
    section: '6.5',
    name: 'SETTINGS acknowledgement with a payload',
    run: sends(raw(0, TYPE.settings, 6, FLAG.ack)),
    expects: connectionError(frameSize),
  },
  {
    section: '6.5',
    name: 'SETTINGS of a stream',
    run: sends(raw(1, TYPE.settings, Buffer.from([0, 3, 0, 0, 0, 100]))),
    expects: connectionError(protocol),
  },
  { section: '6.5', name: 'SETTINGS of 3 bytes', run: sends(raw(0, TYPE.settings, 3)), expects: connectionError(frameSize) },
  { section: '6.5.2', name: 'ENABLE_PUSH of 2', run: oddSettings([SETTING.enablePush, 2]), expects: connectionError(protocol) },
  {
    section: '6.5.2',
    name: 'INITIAL_WINDOW_SIZE too great',
    run: oddSettings([SETTING.initialWindowSize, 2 ** 31]),
    expects: connectionError(flowControl),
  },
  {
    section: '6.5.2',
    name: 'MAX_FRAME_SIZE too small',
    run: oddSettings([SETTING.maxFrameSize, 16383]),
    expects: connectionError(protocol),
  },
  {
    section: '6.5.2',
    name: 'MAX_FRAME_SIZE too great',
    run: oddSettings([SETTING.maxFrameSize, 2 ** 24]),
    expects: connectionError(protocol),
  },
  { section: '6.5.2', name: 'an unknown setting', run: oddSettings([0xff, 1]), expects: alive },
  {
    section: '6.5.3',
    name: 'the last of several values counts',
    run: sends(
      settings([
        [SETTING.initialWindowSize, 100],
        [SETTING.initialWindowSize, 1],
      ]),
      headers(1, GET),
    ),
    expects: flows(1),
  },
  {
    section: '6.5.3',
    name: 'SETTINGS are acknowledged at once',
    run: sends(settings(), ping()),
    expects: async (c) => {
      const acks = () =>
        c.frames
          .map(({ type, flags }, at) => ({ type, flags, at }))
          .filter(({ type, flags }) => (type === TYPE.settings || type === TYPE.ping) && flags === FLAG.ack);
      await c.until('both acknowledgements', () => acks().length === 3);
      assert.deepEqual(
        acks().map(({ type }) => type),
        [TYPE.settings, TYPE.settings, TYPE.ping],
      );
    },
  },
  {
    section: '6.7',
    name: 'PING is answered with its payload',
    run: sends(ping('01234567')),
    expects: (c) =>
      c.until('the same payload', () =>
        c.frames.some(({ type, flags, payload }) => type === TYPE.ping && flags === FLAG.ack && payload.toString() === '01234567'),
      ),
  },
  {
    section: '6.7',
    name: 'a PING acknowledgement is not answered',
    run: sends(ping('unwanted', FLAG.ack)),
    expects: async (c) => {
      await alive(c);
      assert.ok(!c.frames.some(({ type, payload }) => type === TYPE.ping && payload.toString() === 'unwanted'));
    },
  },
  { section: '6.7', name: 'PING of a stream', run: sends(raw(1, TYPE.ping, 8)), expects: connectionError(protocol) },
  { section: '6.7', name: 'PING of 6 bytes', run: sends(raw(0, TYPE.ping, 6)), expects: connectionError(frameSize) },
  { section: '6.8', name: 'GOAWAY of a stream', run: sends(raw(1, TYPE.goaway, 8)), expects: connectionError(protocol) },
  { section: '6.9', name: 'WINDOW_UPDATE of 0', run: sends(windowUpdate(0, 0)), expects: connectionError(protocol) },
  { section: '6.9', name: 'WINDOW_UPDATE of 0 on a stream', run: sends(open(), windowUpdate(1, 0)), expects: streamError(1, protocol) },
  { section: '6.9', name: 'WINDOW_UPDATE of 3 bytes', run: sends(raw(0, TYPE.windowUpdate, 3)), expects: connectionError(frameSize) },
  { section: '6.9.1', name: 'a window of one byte', settings: windowOne, run: sends(headers(1, GET)), expects: flows(1) },
  {
    section: '6.9.1',
    name: 'the window of the connection overflows',
    run: sends(windowUpdate(0, MAX_WINDOW), windowUpdate(0, MAX_WINDOW)),
    expects: connectionError(flowControl),
  },
  {
    section: '6.9.1',
    name: 'the window of a stream overflows',
    run: sends(open(), windowUpdate(1, MAX_WINDOW), windowUpdate(1, MAX_WINDOW)),
    expects: streamError(1, flowControl),
  },
  {
    section: '6.9.2',
    name: 'INITIAL_WINDOW_SIZE changes the windows of open streams',
    settings: [[SETTING.initialWindowSize, 0]],
    run: async (c) => {
      c.send(headers(1, GET));
      await c.until('the head', () => c.answer(1).status === 200);
      c.send(settings([[SETTING.initialWindowSize, 1]]));
    },
    expects: flows(1),
  },
  {
    section: '6.9.2',
    name: 'a window below zero',
    settings: [[SETTING.initialWindowSize, 3]],
    run: async (c) => {
      c.send(headers(1, GET));
      await c.until('three bytes', () => received(c) === 3);
      c.send(settings([[SETTING.initialWindowSize, 2]]), windowUpdate(1, 2));
    },
    expects: flows(4),
  },
  {
    section: '6.9.2',
    name: 'an INITIAL_WINDOW_SIZE too great with open streams',
    run: sends(open(), settings([[SETTING.initialWindowSize, 2 ** 31]])),
    expects: connectionError(flowControl),
  },
  {
    section: '6.10',
    name: 'several CONTINUATION frames',
    run: sends(
      headers(1, GET.subarray(0, 4), { endHeaders: false }),
      continuation(1, GET.subarray(4, 8), false),
      continuation(1, GET.subarray(8)),
    ),
    expects: answers(),
  },
  {
    section: '6.10',
    name: 'CONTINUATION followed by something else',
    run: sends(headers(1, GET, { endHeaders: false }), continuation(1, block([['x', 'y']]), false), data(1, 'test')),
    expects: connectionError(protocol),
  },
  {
    section: '6.10',
    name: 'CONTINUATION of stream 0',
    run: sends(headers(1, GET, { endHeaders: false }), continuation(0, block([['x', 'y']]))),
    expects: connectionError(protocol),
  },
  {
    section: '6.10',
    name: 'CONTINUATION after the end of HEADERS',
    run: sends(headers(1, POST, { endStream: false }), continuation(1, block([['x', 'y']]))),
    expects: connectionError(protocol),
  },
  {
    section: '6.10',
    name: 'CONTINUATION after the end of CONTINUATION',
    run: sends(
      headers(1, POST.subarray(0, 5), { endHeaders: false, endStream: false }),
      continuation(1, POST.subarray(5)),
      continuation(1, block([['x', 'y']])),
    ),
    expects: connectionError(protocol),
  },
  {
    section: '6.10',
    name: 'CONTINUATION after DATA',
    run: sends(open(), data(1, 'test', false), continuation(1, block([['x', 'y']]))),
    expects: connectionError(protocol),
  },
  {
    section: '7',
    notEnvoy: 'no answer to PING after GOAWAY',
    name: 'GOAWAY with an unknown code',
    run: sends(goaway(0xff), ping('areyouup')),
    expects: (c) => c.until('an answer or the end', () => c.closed || c.has(TYPE.ping, FLAG.ack)),
  },
  { section: '7', name: 'RST_STREAM with an unknown code', run: sends(open(), rstStream(1, 0xff)), expects: alive },
];
