// Values of x-request-id: version 4 UUIDs (RFC 9562) from a block of random bytes, several times cheaper than one by one.

import { randomFillSync } from 'node:crypto';

const BLOCK_BYTES = 16 * 256;
const TEXT_BYTES = 36;
const HEX = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** Where the 32 digits stand between the dashes. */
const PLACES = Uint8Array.from({ length: 32 }, (_, i) => i + (i >= 8 ? 1 : 0) + (i >= 12 ? 1 : 0) + (i >= 16 ? 1 : 0) + (i >= 20 ? 1 : 0));

/** A source of request ids from cryptographic randomness. */
export function createRequestIds(): () => string {
  const block = Buffer.alloc(BLOCK_BYTES);
  const text = Buffer.alloc(TEXT_BYTES, '-');
  let used = BLOCK_BYTES;
  return () => {
    if (used === BLOCK_BYTES) {
      randomFillSync(block);
      used = 0;
    }
    for (let i = 0; i < 16; i++) {
      let byte = block[used + i] as number;
      if (i === 6) byte = (byte & 0x0f) | 0x40;
      else if (i === 8) byte = (byte & 0x3f) | 0x80;
      text[PLACES[2 * i] as number] = HEX[byte >> 4] as number;
      text[PLACES[2 * i + 1] as number] = HEX[byte & 15] as number;
    }
    used += 16;
    return text.toString('latin1');
  };
}
