// The Huffman code of HPACK (RFC 7541 appendix B). The code is canonical, so the lengths say everything.

// Bits of the code of each byte, 32 bytes to a line; the last is EOS.
const LENGTHS: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
];

/** Codes as strings of 0 and 1; number 256 is EOS. */
export const HUFFMAN_CODES: readonly string[] = assign();
const symbols = new Map(HUFFMAN_CODES.map((code, symbol) => [code, symbol]));

function assign(): string[] {
  const codes: string[] = [];
  const order = LENGTHS.map((length, symbol) => ({ length, symbol })).sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  let code = 0;
  let before = 0;
  for (const { length, symbol } of order) {
    code *= 2 ** (length - before);
    before = length;
    codes[symbol] = code.toString(2).padStart(length, '0');
    code++;
  }
  return codes;
}

/** Bytes of a string of 0 and 1, filled up with `fill`. */
export function packBits(bits: string, fill: '0' | '1' = '1'): Buffer {
  const whole = bits.padEnd(Math.ceil(bits.length / 8) * 8, fill);
  return Buffer.from((whole.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)));
}

export const huffmanBits = (text: string): string => [...Buffer.from(text, 'latin1')].map((byte) => HUFFMAN_CODES[byte]).join('');

/** Padding is not checked: the answers that this reads come from the server under test, which has its own tests. */
export function huffmanDecode(bytes: Buffer): string {
  let text = '';
  let code = '';
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code += (byte >> bit) & 1;
      const symbol = symbols.get(code);
      if (symbol === undefined) continue;
      text += String.fromCharCode(symbol);
      code = '';
    }
  }
  return text;
}
