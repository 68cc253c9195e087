// Repeatable chance, and damage to bytes.

import { MAX_INPUT_BYTES } from './target.ts';

export type Random = {
  /** Uniform below `limit`. */
  below(limit: number): number;
  pick<T>(values: readonly T[]): T;
};

/** Mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
  return { below, pick: (values) => values[below(values.length)]! };
}

const ODD_BYTES = [0, 1, 0x0a, 0x0d, 0x20, 0x7f, 0x80, 0xfe, 0xff];

type Material = { corpus: readonly Buffer[]; tokens: readonly string[] };

/** A copy with one to five wounds. */
export function mutate(input: Buffer, { corpus, tokens }: Material, random: Random): Buffer {
  let bytes = input;
  for (let wounds = 1 + random.below(5); wounds > 0; wounds--) bytes = wound(bytes, { corpus, tokens }, random);
  return bytes.subarray(0, MAX_INPUT_BYTES);
}

function wound(bytes: Buffer, { corpus, tokens }: Material, random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(Math.min(16, bytes.length - at + 1));
  const replaced = (by: Buffer, cut: number) => Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + cut)]);
  switch (random.below(8)) {
    case 0:
      return replaced(Buffer.from([(bytes[at] ?? 0) ^ (1 << random.below(8))]), 1);
    case 1:
      return replaced(Buffer.from([random.below(3) === 0 ? random.below(256) : random.pick(ODD_BYTES)]), random.below(2));
    case 2:
      return replaced(Buffer.alloc(0), length);
    case 3:
      return replaced(bytes.subarray(at, at + length * 4), 0);
    case 4:
    case 5:
      return tokens.length === 0 ? bytes : replaced(Buffer.from(random.pick(tokens), 'latin1'), random.below(4));
    case 6: {
      const other = random.pick(corpus);
      const from = random.below(other.length + 1);
      return replaced(other.subarray(from, from + 1 + random.below(64)), random.below(64));
    }
    default:
      return replaced(Buffer.alloc(1 + random.below(64), random.below(256)), random.below(2));
  }
}
