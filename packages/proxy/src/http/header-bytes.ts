// How many bytes headers have, in the ways in which Envoy's access logs count them. Nothing is counted before a log asks.

import type { Head } from './head.ts';

/** Names and values of the head with its edits: what stands around them on the wire does not count. */
export function namesAndValues(head: Head): number {
  let bytes = 0;
  head.forEach((name, value) => {
    bytes += name.length + value.length;
  });
  return bytes;
}

/** Lines of a head as HTTP/1 received them, edits aside: Envoy counts one byte less than each has, and no start line. */
export function receivedLines({ count, spans }: Head): number {
  let bytes = 3 * count;
  for (let i = 0; i < 4 * count; i += 2) bytes += (spans[i + 1] as number) - (spans[i] as number);
  return bytes;
}
