// xxHash32: the same key gives the same number in every proxy, whatever process or machine.

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

const rotl = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));
const round = (lane: number, word: number): number => Math.imul(rotl((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);

/** Unsigned 32 bits of the UTF-8 text. */
export function hashText(text: string, seed = 0): number {
  const bytes = Buffer.from(text, 'utf8');
  const size = bytes.length;
  let at = 0;
  let hash: number;
  if (size >= 16) {
    const lanes = [(seed + PRIME_1 + PRIME_2) | 0, (seed + PRIME_2) | 0, seed | 0, (seed - PRIME_1) | 0];
    for (; at <= size - 16; at += 16) for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i] as number, bytes.readInt32LE(at + 4 * i));
    hash = rotl(lanes[0] as number, 1) + rotl(lanes[1] as number, 7) + rotl(lanes[2] as number, 12) + rotl(lanes[3] as number, 18);
  } else hash = seed + PRIME_5;
  hash = (hash + size) | 0;
  for (; at <= size - 4; at += 4) hash = Math.imul(rotl((hash + Math.imul(bytes.readInt32LE(at), PRIME_3)) | 0, 17), PRIME_4);
  for (; at < size; at++) hash = Math.imul(rotl((hash + Math.imul(bytes[at] as number, PRIME_5)) | 0, 11), PRIME_1);
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Mixes the hash of one more source into what earlier sources gave. */
export const combineHashes = (earlier: number | undefined, next: number): number =>
  earlier === undefined ? next : (rotl(earlier, 1) ^ next) >>> 0;
