// The committed corpus of every fuzz target, and a short seeded walk from it, on every change.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { loadCorpus } from './corpus.ts';
import { createRandom, mutate } from './random.ts';
import { check, type Target } from './target.ts';
import { TARGETS } from './targets/index.ts';

const WALK = 300;
const SEED = 20261121;

for (const target of TARGETS) {
  suite(`fuzz target ${target.name}`, () => {
    const corpus = loadCorpus(target);
    test(`${corpus.length} inputs of the corpus`, () => {
      for (const { name, bytes } of corpus) assert.doesNotThrow(() => check(target, bytes), name);
    });
    test(`${WALK} inputs beside it, seed ${SEED}`, () =>
      walk(
        target,
        corpus.map(({ bytes }) => bytes),
      ));
  });
}

function walk(target: Target, corpus: readonly Buffer[]): void {
  const random = createRandom(SEED);
  for (let i = 0; i < WALK; i++) {
    const input = mutate(random.pick(corpus), { corpus, tokens: target.tokens }, random);
    try {
      check(target, input);
    } catch (error) {
      throw new Error(`input ${input.toString('base64')}`, { cause: error });
    }
  }
}
