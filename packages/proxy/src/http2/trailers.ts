import type { Head } from '../http/head.ts';
import type { FrameWriter } from './frame-writer.ts';
import { maxEncodedBytes, writeLines } from './hpack/encoder.ts';

/** Sends trailers and END_STREAM. */
export function writeTrailers(writer: FrameWriter, streamId: number, trailers: Head): void {
  const start = writer.beginHeaders(maxEncodedBytes(trailers));
  writer.endHeaders(streamId, writeLines(writer.output.bytes, start, trailers), true);
}

/** The trailers' header block, to be sent later. */
export function trailerBlock(trailers: Head): Buffer {
  const out = Buffer.allocUnsafe(maxEncodedBytes(trailers));
  return out.subarray(0, writeLines(out, 0, trailers));
}
