// SPDY/3 header blocks. Both directions are one zlib stream for the whole connection, so blocks must go through in order.

import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { SPDY_DICTIONARY } from './spdy-dictionary.ts';

export type HeaderCodec = {
  /** Rejects on a malformed block or one over 64 KiB. Calls must not overlap. */
  decode(block: Buffer): Promise<Map<string, string>>;
  encode(headers: ReadonlyMap<string, string>): Promise<Buffer>;
  close(): void;
};

const MAX_DECODED = 64 * 1024;

export function createHeaderCodec(): HeaderCodec {
  const inflate = createInflate({ dictionary: SPDY_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });
  const deflate = createDeflate({ dictionary: SPDY_DICTIONARY });
  const decoder = createPump(inflate);
  const encoder = createPump(deflate);
  return {
    async decode(block) {
      return parseHeaders(await decoder.run(block, MAX_DECODED));
    },
    encode: (headers) => encoder.run(formatHeaders(headers), MAX_DECODED),
    close() {
      inflate.destroy();
      deflate.destroy();
    },
  };
}

// One block in, everything it yields out.
function createPump(stream: Inflate | Deflate): { run(input: Buffer, maxBytes: number): Promise<Buffer> } {
  let chunks: Buffer[] = [];
  let size = 0;
  let fail: ((error: Error) => void) | undefined;
  stream.on('error', (error) => fail?.(error));
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_DECODED) stream.destroy(new Error('the header block is too large'));
    else chunks.push(chunk);
  });
  return {
    run: (input, maxBytes) =>
      new Promise((resolve, reject) => {
        fail = reject;
        if (input.length > maxBytes) return reject(new Error('the header block is too large'));
        chunks = [];
        size = 0;
        stream.write(input);
        // Output that is ready may still be on its way to 'data'.
        stream.flush(constants.Z_SYNC_FLUSH, () => setImmediate(() => resolve(Buffer.concat(chunks))));
      }),
  };
}

function parseHeaders(block: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let position = 0;
  const number = (): number => {
    position += 4;
    return block.readUInt32BE(position - 4);
  };
  const word = (): string => {
    const length = number();
    if (length > block.length - position) throw new Error('the header block is malformed');
    position += length;
    return block.toString('utf8', position - length, position);
  };
  const count = number();
  if (count > 100) throw new Error('the header block has too many headers');
  for (let i = 0; i < count; i++) headers.set(word().toLowerCase(), word());
  return headers;
}

function formatHeaders(headers: ReadonlyMap<string, string>): Buffer {
  const word = (text: string): Buffer => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const count = Buffer.alloc(4);
  count.writeUInt32BE(headers.size);
  return Buffer.concat([count, ...[...headers].flatMap(([name, value]) => [word(name), word(value)])]);
}
