// header_key_format with preserve_case: a head goes out with the letters it came with. Parsing puts names into lower case in place, so
// the bytes are kept beside the head before that; who does not ask for it keeps nothing. Only letters change, never a length.

import type { PreserveCase } from '../runtime/model.ts';
import { COLON, CR, LF, SP, TAB, writeText } from './bytes.ts';

const NOTHING = Buffer.alloc(0);
/** "HTTP/1.1 200 " */
const REASON_START = 13;

/** The part of a head that tells where its names stand. */
type Lines = { readonly count: number; readonly spans: Int32Array };

export class NameLetters {
  private readonly how: PreserveCase;
  /** The first `size` bytes: the head as received. */
  private bytes: Buffer = NOTHING;
  private size = 0;
  /** Lower-case name -> as it stood on its first line. */
  private names: Map<string, string> | undefined;

  constructor(how: PreserveCase) {
    this.how = how;
  }

  /** A head begins at `start`; it need not be complete. */
  begin(bytes: Buffer, start: number): void {
    this.size = 0;
    this.names = undefined;
    const end = bytes.indexOf('\r\n\r\n', start, 'latin1');
    this.append(end < 0 ? bytes : bytes.subarray(0, end + 4), start);
  }

  /** More of it. */
  append(bytes: Buffer, from: number): void {
    const size = this.size + bytes.length - from;
    if (this.bytes.length < size) {
      const grown = Buffer.allocUnsafe(Math.max(size, 2 * this.bytes.length));
      this.bytes.copy(grown, 0, 0, this.size);
      this.bytes = grown;
    }
    bytes.copy(this.bytes, this.size, from);
    this.size = size;
  }

  /** Gives the names in `out[start, end)`, header lines with names in lower case, the letters that they have in `head`. */
  restore(out: Buffer, { start, end }: { start: number; end: number }, head: Lines): void {
    this.names ??= this.namesOf(head);
    for (let at = start; at < end; ) {
      const colon = out.indexOf(COLON, at);
      const line = out.indexOf(LF, colon);
      if (colon < 0 || line < 0) return;
      const written = this.names.get(out.toString('latin1', at, colon));
      if (written !== undefined) writeText(out, at, written);
      else if (this.how.ownInProperCase) capitalizeNames(out, at, colon);
      at = line + 1;
    }
  }

  /** The status line with the reason that it came with, where that is wanted and there is one. */
  statusLine(standard: string): string {
    if (!this.how.forwardReasonPhrase || this.bytes[REASON_START - 1] !== SP) return standard;
    let end = this.bytes.indexOf(CR);
    while (this.bytes[end - 1] === SP || this.bytes[end - 1] === TAB) end--;
    return end <= REASON_START ? standard : `${standard.slice(0, REASON_START)}${this.bytes.toString('latin1', REASON_START, end)}\r\n`;
  }

  private namesOf({ count, spans }: Lines): Map<string, string> {
    const names = new Map<string, string>();
    for (let line = 0; line < count; line++) {
      const name = this.bytes.toString('latin1', spans[line * 4], spans[line * 4 + 1]);
      const lower = name.toLowerCase();
      // As Envoy: the first line of a name decides for all.
      if (!names.has(lower)) names.set(lower, name);
    }
    return names;
  }
}

/** In the header lines of `out[start, end)`: the first letter of each word of a name becomes a capital. */
export function capitalizeNames(out: Buffer, start: number, end: number): void {
  let inName = true;
  let atWord = true;
  for (let at = start; at < end; at++) {
    const code = out[at] as number;
    if (!inName) {
      inName = atWord = code === LF;
      continue;
    }
    const isLower = code >= 97 && code <= 122;
    if (atWord && isLower) out[at] = code - 32;
    atWord = !isLower && !(code >= 48 && code <= 57);
    inName = code !== COLON;
  }
}
