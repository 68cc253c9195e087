// B1: header blocks that a decoder must refuse (RFC 7541).

import { type Check, GET, sends } from './check.ts';
import { connectionError } from './expectations.ts';
import { ERROR, headers } from './frames.ts';
import { indexed, literal, stringLiteral, tableSize } from './hpack.ts';
import { HUFFMAN_CODES, huffmanBits, packBits } from './huffman.ts';

const compressionError = connectionError(ERROR.compression);

/** A request with one value coded as these bits. */
const coded = (bits: Buffer): Buffer =>
  Buffer.concat([GET, Buffer.from([0]), stringLiteral('x-a'), Buffer.from([0x80 | bits.length]), bits]);

export const HPACK: readonly Check[] = [
  {
    section: 'HPACK 2.3.3',
    name: 'an index beyond the tables',
    run: sends(headers(1, Buffer.concat([GET, indexed(70)]))),
    expects: compressionError,
  },
  {
    section: 'HPACK 4.2',
    name: 'a table size update at the end of a block',
    run: sends(headers(1, Buffer.concat([GET, tableSize(1)]))),
    expects: compressionError,
  },
  {
    section: 'HPACK 4.2',
    name: 'an index that an update of the table size removed',
    run: sends(
      headers(1, Buffer.concat([GET, literal('x-a', 'b', { mode: 'incremental' })])),
      headers(3, Buffer.concat([tableSize(0), GET, indexed(62)])),
    ),
    expects: compressionError,
  },
  {
    section: 'HPACK 5.2',
    name: 'Huffman padding of more than 7 bits',
    run: sends(headers(1, coded(Buffer.concat([packBits(huffmanBits('test')), Buffer.from([0xff])])))),
    expects: compressionError,
  },
  {
    section: 'HPACK 5.2',
    name: 'Huffman padding of zeros',
    run: sends(headers(1, coded(packBits(huffmanBits('a'), '0')))),
    expects: compressionError,
  },
  {
    section: 'HPACK 5.2',
    name: 'Huffman EOS',
    run: sends(headers(1, coded(packBits(huffmanBits('test') + HUFFMAN_CODES[256])))),
    expects: compressionError,
  },
  {
    section: 'HPACK 6.1',
    name: 'index 0',
    run: sends(headers(1, Buffer.concat([GET, indexed(0)]))),
    expects: compressionError,
  },
  {
    section: 'HPACK 6.3',
    name: 'a table size beyond SETTINGS',
    run: sends(headers(1, Buffer.concat([tableSize(4097), GET]))),
    expects: compressionError,
  },
];
