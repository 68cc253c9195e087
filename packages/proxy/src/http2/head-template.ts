// A decoded header block that many messages can have in common. Each message gets a `Head` of its own, which shares the template's
// bytes and spans; a template that serves again also keeps its lines in HPACK form, so that sending them on is a copy.

import { Head, type SharedHead } from '../http/head.ts';
import type { RequestTexts } from '../http/head-memory.ts';
import { KNOWN_COUNT } from '../http/known-headers.ts';
import { encodeLines } from './hpack/encoder.ts';
import { lastingCopy } from './hpack/field-block.ts';

/** In `names`: the line must never be indexed by anybody. The other bits are the name's index in the static table. */
export const NAME_NEVER_INDEXED = 0x80;

const MAX_SHARED = 256;
// No line that HTTP/2 delivers is odd: one array of zeros serves all.
const NONE_ODD = new Uint8Array(MAX_SHARED);
const SLAB_FIELDS = 4096;
let spanSlab = new Int32Array(SLAB_FIELDS);
let spansUsed = 0;

/** Memory of messages that come once: cut from a slab, which is cheaper than an allocation each. */
function takeSpans(size: number): Int32Array {
  if (spansUsed + size > spanSlab.length) {
    spanSlab = new Int32Array(Math.max(SLAB_FIELDS, size));
    spansUsed = 0;
  }
  spansUsed += size;
  return spanSlab.subarray(spansUsed - size, spansUsed);
}

export class HeadTemplate implements SharedHead {
  bytes: Buffer;
  readonly size: number;
  readonly count: number;
  spans: Int32Array;
  readonly odd: Uint8Array;
  readonly first: Int16Array = new Int16Array(KNOWN_COUNT).fill(-1);
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  readonly version = 20;
  status = 0;
  hasRepeats = false;
  hasEnvoyHeaders = false;
  /** Of the message's body; -1 when it does not say. */
  contentLength = -1;
  /** `:protocol` of an extended CONNECT (RFC 8441), in lower case. */
  protocol = '';
  /** One per line: see NAME_NEVER_INDEXED. */
  readonly names: Uint8Array;
  texts: RequestTexts | undefined;
  /** It serves more than one message. */
  isSettled = false;
  private lines: EncodedLines | undefined;

  constructor(bytes: Buffer, count: number) {
    this.bytes = bytes;
    this.size = bytes.length;
    this.count = count;
    this.spans = takeSpans(4 * count);
    this.odd = count <= MAX_SHARED ? NONE_ODD : new Uint8Array(count);
    this.names = new Uint8Array(count);
  }

  /** A head for one message. */
  instantiate(): TemplatedHead {
    return new TemplatedHead(this);
  }

  /** To be kept: gets memory of its own, so that it does not hold on to what it was cut from. */
  settle(): this {
    this.bytes = lastingCopy(this.bytes);
    this.spans = this.spans.slice();
    this.isSettled = true;
    return this;
  }

  /** The lines in HPACK form, without reference to any dynamic table. */
  get encoded(): EncodedLines {
    this.lines ??= encodeLines(this);
    return this.lines;
  }
}

/** Line i is `bytes[starts[i], starts[i + 1])`. */
export type EncodedLines = { readonly bytes: Buffer; readonly starts: Int32Array };

/** A head whose lines came by HTTP/2. */
export class TemplatedHead extends Head {
  readonly template: HeadTemplate;

  constructor(template: HeadTemplate) {
    super(template.count, template);
    this.template = template;
  }

  override get textMemory(): HeadTemplate | undefined {
    return this.template.isSettled ? this.template : undefined;
  }
}
