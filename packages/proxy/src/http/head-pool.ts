// Heads of messages that are under way. A connection without a request holds none, and what one connection puts back the next
// one takes while it is still in the processor's cache, together with the memory of what it held.

import type { PreserveCase } from '../runtime/model.ts';
import { Head } from './head.ts';
import { HeadMemory } from './head-memory.ts';
import { NameLetters } from './name-letters.ts';

/** A head that a codec of HTTP/1.1 parses into. */
export type CodecHead = Head & { readonly memory: HeadMemory };

/** Envoy's default limit, which nearly every connection manager has. */
const USUAL_COUNT = 100;
const MAX_KEPT = 256;
/** A head that has grown for one large message is not kept for small ones. */
const MAX_KEPT_BYTES = 8 * 1024;

const requests: CodecHead[] = [];
const responses: CodecHead[] = [];

export function takeRequestHead(maxCount: number, preserveCase: PreserveCase | undefined): CodecHead {
  const head = (maxCount === USUAL_COUNT ? requests.pop() : undefined) ?? create(maxCount);
  return preserveCase ? withLetters(head, preserveCase) : head;
}

export function takeResponseHead(maxCount: number, preserveCase: PreserveCase | undefined): CodecHead {
  const head = (maxCount === USUAL_COUNT ? responses.pop() : undefined) ?? create(maxCount);
  return preserveCase ? withLetters(head, preserveCase) : head;
}

function withLetters(head: CodecHead, preserveCase: PreserveCase): CodecHead {
  head.memory.forget();
  head.memory.letters = new NameLetters(preserveCase);
  return head;
}

function create(maxCount: number): CodecHead {
  return Object.assign(new Head(maxCount), { memory: new HeadMemory(maxCount) });
}

/** Gives up the head of a request that nobody looks at any more. */
export const recycleRequestHead = (head: CodecHead): void => recycle(head, requests);

/** The same for a response; heads of other origin are left to the garbage collector. */
export function recycleResponseHead(head: Head): void {
  if (head.memory) recycle(head as CodecHead, responses);
}

function recycle(head: CodecHead, home: CodecHead[]): void {
  head.memory.letters = undefined;
  if (home.length < MAX_KEPT && head.bytes.length <= MAX_KEPT_BYTES && head.dropped.length === USUAL_COUNT) home.push(head);
}
