// xxHash64, as Envoy has it: the same key goes to the same host in every proxy, whatever process, machine or make.

const PRIME_1 = 0x9e3779b185ebca87n;
const PRIME_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME_3 = 0x165667b19e3779f9n;
const PRIME_4 = 0x85ebca77c2b2ae63n;
const PRIME_5 = 0x27d4eb2f165667c5n;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotl = (x: bigint, bits: bigint): bigint => u64((x << bits) | (x >> (64n - bits)));
const round = (lane: bigint, word: bigint): bigint => u64(rotl(u64(lane + word * PRIME_2), 31n) * PRIME_1);
const merge = (hash: bigint, lane: bigint): bigint => u64((hash ^ round(0n, lane)) * PRIME_1 + PRIME_4);

/** Unsigned 64 bits of the text's UTF-8 bytes. */
export function hashText(text: string | Buffer, seed = 0n): bigint {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  const size = bytes.length;
  let at = 0;
  let hash: bigint;
  if (size >= 32) {
    let [a, b, c, d] = [u64(seed + PRIME_1 + PRIME_2), u64(seed + PRIME_2), seed, u64(seed - PRIME_1)];
    for (; at <= size - 32; at += 32) {
      a = round(a, bytes.readBigUInt64LE(at));
      b = round(b, bytes.readBigUInt64LE(at + 8));
      c = round(c, bytes.readBigUInt64LE(at + 16));
      d = round(d, bytes.readBigUInt64LE(at + 24));
    }
    hash = merge(merge(merge(merge(u64(rotl(a, 1n) + rotl(b, 7n) + rotl(c, 12n) + rotl(d, 18n)), a), b), c), d);
  } else hash = u64(seed + PRIME_5);
  hash = u64(hash + BigInt(size));
  for (; at <= size - 8; at += 8) hash = u64(rotl(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * PRIME_1 + PRIME_4);
  if (at <= size - 4) {
    hash = u64(rotl(hash ^ u64(BigInt(bytes.readUInt32LE(at)) * PRIME_1), 23n) * PRIME_2 + PRIME_3);
    at += 4;
  }
  for (; at < size; at++) hash = u64(rotl(hash ^ u64(BigInt(bytes[at] as number) * PRIME_5), 11n) * PRIME_1);
  hash = u64((hash ^ (hash >> 33n)) * PRIME_2);
  hash = u64((hash ^ (hash >> 29n)) * PRIME_3);
  return hash ^ (hash >> 32n);
}

const MURMUR_SEED = 0xc70f6907n;
const MURMUR_PRIME = 0xc6a4a7935bd1e995n;
const mixTail = (value: bigint): bigint => value ^ (value >> 47n);

/** MurmurHash2 of 64 bits, with the seed that Envoy has for its rings. */
export function hashMurmur2(text: string): bigint {
  const bytes = Buffer.from(text, 'utf8');
  const whole = bytes.length - (bytes.length % 8);
  let hash = MURMUR_SEED ^ u64(BigInt(bytes.length) * MURMUR_PRIME);
  const add = (word: bigint) => {
    hash = u64((hash ^ word) * MURMUR_PRIME);
  };
  for (let at = 0; at < whole; at += 8) add(u64(mixTail(u64(bytes.readBigUInt64LE(at) * MURMUR_PRIME)) * MURMUR_PRIME));
  if (whole < bytes.length) {
    const rest = Buffer.alloc(8);
    bytes.copy(rest, 0, whole);
    add(rest.readBigUInt64LE(0));
  }
  return mixTail(u64(mixTail(hash) * MURMUR_PRIME));
}

/** Mixes the hash of one more source into what earlier sources gave. */
export const combineHashes = (earlier: bigint | undefined, next: bigint): bigint =>
  earlier === undefined ? next : rotl(earlier, 1n) ^ next;
