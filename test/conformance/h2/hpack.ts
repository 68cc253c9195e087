// HPACK by hand: an encoder that writes any representation, wrong ones too, and a decoder for the answers.

import { huffmanBits, huffmanDecode, packBits } from './huffman.ts';

export type Field = readonly [name: string, value: string];

/** An integer with a prefix of `bits` below the pattern `first` (RFC 7541 5.1). */
export function integer(value: number, bits: number, first: number): Buffer {
  const max = 2 ** bits - 1;
  if (value < max) return Buffer.from([first | value]);
  const bytes = [first | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export function stringLiteral(text: string, huffman = false): Buffer {
  const bytes = huffman ? packBits(huffmanBits(text)) : Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length, 7, huffman ? 0x80 : 0), bytes]);
}

export const indexed = (index: number): Buffer => integer(index, 7, 0x80);
export const tableSize = (sizeBytes: number): Buffer => integer(sizeBytes, 5, 0x20);

const MODES = { incremental: [6, 0x40], without: [4, 0x00], never: [4, 0x10] } as const;
export type LiteralOptions = { mode?: keyof typeof MODES; huffman?: boolean };

/** A literal field; the name is an index into the tables or text. Default: without indexing, no Huffman code. */
export function literal(name: number | string, value: string, { mode = 'without', huffman = false }: LiteralOptions = {}): Buffer {
  const [bits, first] = MODES[mode];
  const start = typeof name === 'number' ? integer(name, bits, first) : Buffer.concat([Buffer.from([first]), stringLiteral(name, huffman)]);
  return Buffer.concat([start, stringLiteral(value, huffman)]);
}

/** A header block of literals without indexing. */
export const block = (fields: readonly Field[]): Buffer => Buffer.concat(fields.map(([name, value]) => literal(name, value)));

const STATIC: readonly Field[] = (
  ':authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|:status 206|' +
  ':status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges|accept|' +
  'access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding|content-language|' +
  'content-length|content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|' +
  'if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|' +
  'referer|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate'
)
  .split('|')
  .map((entry) => {
    const space = entry.indexOf(' ');
    return space < 0 ? [entry, ''] : [entry.slice(0, space), entry.slice(space + 1)];
  });

const ENTRY_OVERHEAD = 32;

/** Decodes what a correct server sends. */
export class HpackDecoder {
  private table: Field[] = [];
  private maxBytes = 4096;

  decode(bytes: Buffer): Field[] {
    const fields: Field[] = [];
    let at = 0;
    const int = (bits: number): number => {
      const max = 2 ** bits - 1;
      let value = bytes[at++]! & max;
      if (value < max) return value;
      for (let scale = 1; ; scale *= 128) {
        const byte = bytes[at++]!;
        value += (byte & 127) * scale;
        if (byte < 128) return value;
      }
    };
    const text = (): string => {
      const isHuffman = bytes[at]! >= 128;
      const length = int(7);
      const raw = bytes.subarray(at, at + length);
      at += length;
      return isHuffman ? huffmanDecode(raw) : raw.toString('latin1');
    };
    while (at < bytes.length) {
      const first = bytes[at]!;
      if (first >= 0x80) fields.push(this.entry(int(7)));
      else if (first >= 0x40) {
        const index = int(6);
        const field: Field = [index === 0 ? text() : this.entry(index)[0], text()];
        this.table.unshift(field);
        this.evict();
        fields.push(field);
      } else if (first >= 0x20) {
        this.maxBytes = int(5);
        this.evict();
      } else {
        const index = int(4);
        fields.push([index === 0 ? text() : this.entry(index)[0], text()]);
      }
    }
    return fields;
  }

  private entry(index: number): Field {
    const found = index <= STATIC.length ? STATIC[index - 1] : this.table[index - STATIC.length - 1];
    if (!found) throw new Error(`the server sent HPACK index ${index}`);
    return found;
  }

  private evict(): void {
    const size = () => this.table.reduce((sum, [name, value]) => sum + name.length + value.length + ENTRY_OVERHEAD, 0);
    while (this.table.length > 0 && size() > this.maxBytes) this.table.pop();
  }
}
