// B1: requests that a server must refuse (RFC 9113 section 8).

import { type Check, GET, open, sends } from './check.ts';
import { connectionError, malformed } from './expectations.ts';
import { postBlock, requestFields } from './frame-client.ts';
import { data, ERROR, FLAG, frame, headers, TYPE, uint32 } from './frames.ts';
import { block, type Field } from './hpack.ts';

const request = (fields: readonly Field[]): Check['run'] => sends(headers(1, block(fields)));

/** Twice, and still before the regular fields. */
const pseudoTwice = (name: string): Check['run'] =>
  request([...requestFields(), [name, requestFields().find(([key]) => key === name)![1]]]);

/** A body of another length than the head declares. */
const length = (declared: number, ...bodies: string[]): Check['run'] =>
  sends(
    headers(1, postBlock([['content-length', String(declared)]]), { endStream: false }),
    ...bodies.map((body, i) => data(1, body, i === bodies.length - 1)),
  );

export const MESSAGES: readonly Check[] = [
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
    expects: connectionError(ERROR.protocol),
  },
];
