// B1, the first 44: what every server of HTTP/2 must take (the list follows h2spec's "generic" group, the words are ours).

import assert from 'node:assert/strict';
import { type Check, GET } from './check.ts';
import { alive, answers } from './expectations.ts';
import { postBlock, requestBlock, requestFields } from './frame-client.ts';
import {
  continuation,
  data,
  FLAG,
  frame,
  goaway,
  headers,
  priority,
  priorityFields,
  rstStream,
  settings,
  TYPE,
  windowUpdate,
} from './frames.ts';
import { block, indexed, type LiteralOptions, literal, tableSize } from './hpack.ts';

const half = (block: Buffer): [Buffer, Buffer] => [block.subarray(0, 10), block.subarray(10)];

/** A request whose last field is written in this way; the upstream must not mind. */
function field(name: number | string, options: LiteralOptions): Check['run'] {
  return (client) => client.send(headers(1, Buffer.concat([GET, literal(name, 'value', options)])));
}

const USER_AGENT = 58;
const literals: [string, LiteralOptions][] = [
  ['incremental indexing', { mode: 'incremental' }],
  ['incremental indexing', { mode: 'incremental', huffman: true }],
  ['no indexing', { mode: 'without' }],
  ['no indexing', { mode: 'without', huffman: true }],
  ['never indexed', { mode: 'never' }],
  ['never indexed', { mode: 'never', huffman: true }],
];

export const GENERIC: readonly Check[] = [
  { section: '3.4', name: 'preface and SETTINGS', run: () => {}, expects: alive },
  { section: '5.1', name: 'PRIORITY on an idle stream', run: (c) => c.send(priority(1, 0), headers(1, GET)), expects: answers() },
  {
    section: '5.1',
    name: 'WINDOW_UPDATE on a half-closed stream',
    run: (c) => c.send(headers(1, GET), windowUpdate(1, 1)),
    expects: answers(),
  },
  { section: '5.1', name: 'PRIORITY on a half-closed stream', run: (c) => c.send(headers(1, GET), priority(1, 0)), expects: answers() },
  { section: '5.1', name: 'RST_STREAM on a half-closed stream', run: (c) => c.send(headers(1, GET), rstStream(1)), expects: alive },
  {
    section: '5.1',
    name: 'PRIORITY on a closed stream',
    run: async (c) => {
      c.send(headers(1, GET));
      await c.ended(1);
      c.send(priority(1, 0));
    },
    expects: alive,
  },
  { section: '6.1', name: 'DATA', run: (c) => c.send(headers(1, postBlock(), { endStream: false }), data(1, 'test')), expects: answers() },
  {
    section: '6.1',
    name: 'DATA in several frames',
    run: (c) => c.send(headers(1, postBlock(), { endStream: false }), data(1, 'te', false), data(1, 'st')),
    expects: answers(),
  },
  {
    section: '6.1',
    name: 'DATA with padding',
    run: (c) =>
      c.send(
        headers(1, postBlock(), { endStream: false }),
        frame(TYPE.data, {
          stream: 1,
          flags: FLAG.endStream | FLAG.padded,
          payload: Buffer.concat([Buffer.from([3]), Buffer.from('test'), Buffer.alloc(3)]),
        }),
      ),
    expects: async (c) => {
      await answers()(c);
      assert.equal(c.answer(1).body, 'POST /x 4');
    },
  },
  { section: '6.2', name: 'HEADERS', run: (c) => c.send(headers(1, GET)), expects: answers() },
  {
    section: '6.2',
    name: 'HEADERS with padding',
    run: (c) =>
      c.send(
        frame(TYPE.headers, {
          stream: 1,
          flags: FLAG.endStream | FLAG.endHeaders | FLAG.padded,
          payload: Buffer.concat([Buffer.from([5]), GET, Buffer.alloc(5)]),
        }),
      ),
    expects: answers(),
  },
  {
    section: '6.2',
    name: 'HEADERS with priority',
    run: (c) =>
      c.send(
        frame(TYPE.headers, {
          stream: 1,
          flags: FLAG.endStream | FLAG.endHeaders | FLAG.priority,
          payload: Buffer.concat([priorityFields(0, 255), GET]),
        }),
      ),
    expects: answers(),
  },
  { section: '6.3', name: 'PRIORITY of weight 1', run: (c) => c.send(priority(1, 0, 0), headers(1, GET)), expects: answers() },
  { section: '6.3', name: 'PRIORITY of weight 256', run: (c) => c.send(priority(1, 0, 255), headers(1, GET)), expects: answers() },
  { section: '6.3', name: 'PRIORITY with a dependency', run: (c) => c.send(priority(3, 1), headers(1, GET)), expects: answers() },
  {
    section: '6.3',
    name: 'PRIORITY exclusive',
    run: (c) => c.send(frame(TYPE.priority, { stream: 1, payload: priorityFields(0, 15, true) }), headers(1, GET)),
    expects: answers(),
  },
  { section: '6.3', name: 'PRIORITY of a higher idle stream', run: (c) => c.send(priority(5, 0), headers(1, GET)), expects: answers() },
  { section: '6.4', name: 'RST_STREAM', run: (c) => c.send(headers(1, postBlock(), { endStream: false }), rstStream(1)), expects: alive },
  {
    section: '6.5',
    name: 'SETTINGS',
    run: (c) => c.send(settings([[3, 100]])),
    expects: (c) =>
      c.until(
        'two acknowledgements',
        () => c.frames.filter(({ type, flags }) => type === TYPE.settings && flags === FLAG.ack).length === 2,
      ),
  },
  { section: '6.7', name: 'PING', run: () => {}, expects: alive },
  {
    section: '6.8',
    name: 'GOAWAY of a client that asks no more',
    run: (c) => c.send(headers(1, GET), goaway()),
    expects: answers(),
  },
  { section: '6.9', name: 'WINDOW_UPDATE of the connection', run: (c) => c.send(windowUpdate(0, 1), headers(1, GET)), expects: answers() },
  {
    section: '6.9',
    name: 'WINDOW_UPDATE of a stream',
    run: (c) => c.send(headers(1, postBlock(), { endStream: false }), windowUpdate(1, 1), data(1, 'test')),
    expects: answers(),
  },
  {
    section: '6.10',
    name: 'CONTINUATION',
    run: (c) => c.send(headers(1, half(GET)[0], { endHeaders: false }), continuation(1, half(GET)[1])),
    expects: answers(),
  },
  {
    section: '6.10',
    name: 'five CONTINUATION frames',
    run: (c) => {
      const cut = (from: number, to?: number) => GET.subarray(from * 3, to === undefined ? undefined : to * 3);
      c.send(
        headers(1, cut(0, 1), { endHeaders: false }),
        ...[1, 2, 3, 4].map((i) => continuation(1, cut(i, i + 1), false)),
        continuation(1, cut(5)),
      );
    },
    expects: answers(),
  },
  { section: '8.1', name: 'GET', run: (c) => c.send(headers(1, GET)), expects: answers() },
  {
    section: '8.1',
    name: 'HEAD',
    run: (c) => c.send(headers(1, requestBlock({ method: 'HEAD' }))),
    expects: async (c) => {
      await answers()(c);
      assert.equal(c.answer(1).body, '');
    },
  },
  { section: '8.1', name: 'POST', run: (c) => c.send(headers(1, postBlock(), { endStream: false }), data(1, 'test')), expects: answers() },
  {
    section: '8.1',
    name: 'POST with trailers',
    run: (c) =>
      c.send(
        headers(1, postBlock([['trailer', 'x-sum']]), { endStream: false }),
        data(1, 'test', false),
        headers(1, block([['x-sum', '1']])),
      ),
    expects: answers(),
  },
  {
    section: 'HPACK 6.1',
    name: 'an indexed field',
    run: (c) => c.send(headers(1, Buffer.concat([indexed(2), indexed(6), indexed(4), literal(1, 'a.test')]))),
    expects: answers(),
  },
  ...literals.flatMap(([what, options]): Check[] => {
    const coded = options.huffman ? ', Huffman' : '';
    return [
      { section: 'HPACK 6.2', name: `${what}, indexed name${coded}`, run: field(USER_AGENT, options), expects: answers() },
      { section: 'HPACK 6.2', name: `${what}, new name${coded}`, run: field('x-new', options), expects: answers() },
    ];
  }),
  {
    section: 'HPACK 6.3',
    name: 'a table size update',
    run: (c) => c.send(headers(1, Buffer.concat([tableSize(128), block(requestFields())]))),
    expects: answers(),
  },
  {
    section: 'HPACK 6.3',
    name: 'two table size updates',
    run: (c) => c.send(headers(1, Buffer.concat([tableSize(128), tableSize(1024), GET]))),
    expects: answers(),
  },
];
