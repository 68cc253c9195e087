// HPACK's Huffman code (RFC 7541 appendix B). The code is canonical, so the lengths say everything. The decoder takes four bits at
// a time: the shortest code has five, so that a step yields at most one byte.

/** Code length of each byte, then of EOS. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10,
  12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7,
  7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22,
  23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22,
  23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20,
  24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS = 256;

// A step of the decoder: next node, whether a byte came out, which, whether the input is no Huffman text.
const NODE_MASK = 0x1ff;
const EMITS = 0x200;
const FAILS = 0x400;
const BYTE_SHIFT = 16;
const steps = new Uint32Array(256 * 16);
/** 1: the bits since the last byte can be padding (at most seven ones). */
const mayEnd = new Uint8Array(256);

build();

function build(): void {
  const order = [...LENGTHS.keys()].sort((a, b) => (LENGTHS[a] as number) - (LENGTHS[b] as number) || a - b);
  // Inner nodes of the tree: [child for 0, child for 1]; a leaf is stored as -1 - symbol.
  const nodes: [number, number][] = [[0, 0]];
  let code = 0;
  let before = 0;
  for (const symbol of order) {
    const length = LENGTHS[symbol] as number;
    code *= 2 ** (length - before);
    before = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const way = (code >>> bit) & 1;
      const children = nodes[node] as [number, number];
      if (children[way] === 0) children[way] = nodes.push([0, 0]) - 1;
      node = children[way] as number;
    }
    (nodes[node] as [number, number])[code & 1] = -1 - symbol;
    code++;
  }
  for (let node = 0, depth = 0; depth < 8; depth++) {
    mayEnd[node] = 1;
    node = (nodes[node] as [number, number])[1];
  }
  nodes.forEach((_, node) => {
    for (let nibble = 0; nibble < 16; nibble++) steps[node * 16 + nibble] = stepOf(nodes, node, nibble);
  });
}

function stepOf(nodes: readonly [number, number][], from: number, nibble: number): number {
  let node = from;
  let out = 0;
  for (let bit = 3; bit >= 0; bit--) {
    node = (nodes[node] as [number, number])[(nibble >>> bit) & 1] as number;
    if (node >= 0) continue;
    const symbol = -1 - node;
    if (symbol === EOS) return FAILS;
    out = EMITS | (symbol << BYTE_SHIFT);
    node = 0;
  }
  return node | out;
}

/** Not Huffman text: EOS inside, or wrong padding. */
export const BAD_HUFFMAN = -1;
/** More than the limit comes out. */
export const HUFFMAN_TOO_LONG = -2;

/** Decodes `bytes[start, end)` to `out` at `position`, never beyond `limit`; returns the end, or a negative fault. */
export function decodeHuffman(
  bytes: Uint8Array,
  { start, end }: { start: number; end: number },
  out: Uint8Array,
  { position, limit }: { position: number; limit: number },
): number {
  let at = position;
  let node = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    let step = steps[node * 16 + (byte >>> 4)] as number;
    if ((step & EMITS) !== 0) {
      if (at === limit) return HUFFMAN_TOO_LONG;
      out[at++] = step >>> BYTE_SHIFT;
    }
    if ((step & FAILS) !== 0) return BAD_HUFFMAN;
    step = steps[(step & NODE_MASK) * 16 + (byte & 15)] as number;
    if ((step & EMITS) !== 0) {
      if (at === limit) return HUFFMAN_TOO_LONG;
      out[at++] = step >>> BYTE_SHIFT;
    }
    if ((step & FAILS) !== 0) return BAD_HUFFMAN;
    node = step & NODE_MASK;
  }
  return mayEnd[node] === 1 ? at : BAD_HUFFMAN;
}
