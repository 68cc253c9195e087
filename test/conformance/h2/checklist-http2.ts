// B1, the other 95 and 8: what a server must refuse, and how (after h2spec's "http2" and "hpack" groups, in our words; section
// numbers of RFC 9113 and, with HPACK, RFC 7541). Priority is obsolete in RFC 9113: both outcomes of its cases are fine.

import assert from 'node:assert/strict';
import type { Check } from './checklist-generic.ts';
import { alive, answers, connectionError, type Expectation, malformed, oneOf, streamError } from './expectations.ts';
import { type FrameClient, postBlock, requestBlock, requestFields } from './frame-client.ts';
import {
  continuation,
  data,
  ERROR,
  FLAG,
  frame,
  goaway,
  headers,
  ping,
  priority,
  priorityFields,
  rstStream,
  SETTING,
  settings,
  TYPE,
  uint32,
  windowUpdate,
} from './frames.ts';
import { block, type Field, indexed, literal, stringLiteral, tableSize } from './hpack.ts';
import { HUFFMAN_CODES, huffmanBits, packBits } from './huffman.ts';

const GET = requestBlock();
const POST = postBlock();
const open = (stream = 1): Buffer => headers(stream, POST, { endStream: false });
const MAX_WINDOW = 2 ** 31 - 1;
const { protocol, frameSize, flowControl, streamClosed, compression } = ERROR;

/** Sends all in one write, so that nothing is answered in between. */
const sends =
  (...parts: Buffer[]): Check['run'] =>
  (client) =>
    client.send(...parts);

/** After the whole answer of a first request on stream 1. */
const afterAnswer =
  (...parts: Buffer[]): Check['run'] =>
  async (client) => {
    client.send(headers(1, GET));
    await client.ended(1);
    client.send(...parts);
  };

const raw = (stream: number, type: number, payload: Buffer | number = 0, flags = 0): Buffer =>
  frame(type, { stream, flags, payload: typeof payload === 'number' ? Buffer.alloc(payload) : payload });

const CONNECTION: readonly Check[] = [
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

const STATES: readonly Check[] = [
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

const FRAMES: readonly Check[] = [
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

const request = (fields: readonly Field[]): Check['run'] => sends(headers(1, block(fields)));
const pseudoTwice = (name: string): Check['run'] =>
  request([...requestFields(), [name, requestFields().find(([key]) => key === name)![1]]]);
/** Twice, and still before the regular fields. */
const length = (declared: number, ...bodies: string[]): Check['run'] =>
  sends(
    headers(1, postBlock([['content-length', String(declared)]]), { endStream: false }),
    ...bodies.map((body, i) => data(1, body, i === bodies.length - 1)),
  );

const MESSAGES: readonly Check[] = [
  {
    section: '8.1',
    name: 'a second HEADERS that does not end the stream',
    run: sends(open(), data(1, 'test', false), headers(1, block([['x-sum', '1']]), { endStream: false })),
    expects: malformed(),
  },
  { section: '8.2.1', name: 'a name in capital letters', run: request(requestFields({}, [['X-A', 'b']])), expects: malformed() },
  { section: '8.3', name: 'an unknown pseudo-header', run: request([...requestFields(), [':test', 'x']]), expects: malformed() },
  { section: '8.3', name: 'a pseudo-header of answers', run: request([...requestFields(), [':status', '200']]), expects: malformed() },
  {
    section: '8.3',
    name: 'a pseudo-header in the trailers',
    run: sends(open(), data(1, 'test', false), headers(1, block([[':method', 'POST']]))),
    expects: malformed(),
  },
  {
    section: '8.3',
    name: 'a pseudo-header after a regular one',
    run: request([...requestFields({ path: undefined }, [['x-a', 'b']]), [':path', '/x']]),
    expects: malformed(),
  },
  { section: '8.2.2', name: 'Connection', run: request(requestFields({}, [['connection', 'keep-alive']])), expects: malformed() },
  {
    section: '8.2.2',
    name: 'TE other than trailers',
    run: request(requestFields({}, [['te', 'trailers, deflate']])),
    expects: malformed(),
  },
  { section: '8.3.1', name: 'an empty :path', run: request(requestFields({ path: '' })), expects: malformed() },
  { section: '8.3.1', name: 'no :method', run: request(requestFields({ method: undefined })), expects: malformed() },
  { section: '8.3.1', name: 'no :scheme', run: request(requestFields({ scheme: undefined })), expects: malformed() },
  { section: '8.3.1', name: 'no :path', run: request(requestFields({ path: undefined })), expects: malformed() },
  { section: '8.3.1', name: ':method twice', run: pseudoTwice(':method'), expects: malformed() },
  { section: '8.3.1', name: ':scheme twice', run: pseudoTwice(':scheme'), expects: malformed() },
  { section: '8.3.1', name: ':path twice', run: pseudoTwice(':path'), expects: malformed() },
  { section: '8.1.1', name: 'a length that one DATA frame does not have', run: length(1, 'test'), expects: malformed() },
  { section: '8.1.1', name: 'a length that all DATA frames do not have', run: length(1, 'te', 'st'), expects: malformed() },
  {
    section: '8.4',
    name: 'PUSH_PROMISE of a client',
    run: sends(frame(TYPE.pushPromise, { stream: 1, flags: FLAG.endHeaders, payload: Buffer.concat([uint32(2), GET]) })),
    expects: connectionError(protocol),
  },
];

/** A request with one value coded as these bits. */
const coded = (bits: Buffer): Buffer =>
  Buffer.concat([GET, Buffer.from([0]), stringLiteral('x-a'), Buffer.from([0x80 | bits.length]), bits]);

export const HPACK: readonly Check[] = [
  {
    section: 'HPACK 2.3.3',
    name: 'an index beyond the tables',
    run: sends(headers(1, Buffer.concat([GET, indexed(70)]))),
    expects: connectionError(compression),
  },
  {
    section: 'HPACK 4.2',
    name: 'a table size update at the end of a block',
    run: sends(headers(1, Buffer.concat([GET, tableSize(1)]))),
    expects: connectionError(compression),
  },
  {
    section: 'HPACK 4.2',
    name: 'an index that an update of the table size removed',
    run: sends(
      headers(1, Buffer.concat([GET, literal('x-a', 'b', { mode: 'incremental' })])),
      headers(3, Buffer.concat([tableSize(0), GET, indexed(62)])),
    ),
    expects: connectionError(compression),
  },
  {
    section: 'HPACK 5.2',
    name: 'Huffman padding of more than 7 bits',
    run: sends(headers(1, coded(Buffer.concat([packBits(huffmanBits('test')), Buffer.from([0xff])])))),
    expects: connectionError(compression),
  },
  {
    section: 'HPACK 5.2',
    name: 'Huffman padding of zeros',
    run: sends(headers(1, coded(packBits(huffmanBits('a'), '0')))),
    expects: connectionError(compression),
  },
  {
    section: 'HPACK 5.2',
    name: 'Huffman EOS',
    run: sends(headers(1, coded(packBits(huffmanBits('test') + HUFFMAN_CODES[256])))),
    expects: connectionError(compression),
  },
  {
    section: 'HPACK 6.1',
    name: 'index 0',
    run: sends(headers(1, Buffer.concat([GET, indexed(0)]))),
    expects: connectionError(compression),
  },
  {
    section: 'HPACK 6.3',
    name: 'a table size beyond SETTINGS',
    run: sends(headers(1, Buffer.concat([tableSize(4097), GET]))),
    expects: connectionError(compression),
  },
];

export const HTTP2: readonly Check[] = [...CONNECTION, ...STATES, ...FRAMES, ...MESSAGES];
