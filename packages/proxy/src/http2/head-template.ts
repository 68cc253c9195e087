// A decoded header block that many messages can have in common. Each message gets a `Head` of its own, which shares the template's
// bytes and spans; the template also keeps its lines in HPACK form, so that sending them again is a copy.

import { Head } from '../http/head.ts';
import { KNOWN_COUNT } from '../http/known-headers.ts';
import { encodeLines } from './hpack/encoder.ts';

const MAX_SHARED = 256;
// No line that HTTP/2 delivers is odd: one array of zeros serves all.
const NONE_ODD = new Uint8Array(MAX_SHARED);
const NO_SPANS = new Int32Array(0);

export class HeadTemplate {
  readonly bytes: Buffer;
  readonly size: number;
  readonly count: number;
  readonly spans: Int32Array;
  readonly first: Int16Array = new Int16Array(KNOWN_COUNT).fill(-1);
  methodEnd = 0;
  targetEnd = 0;
  status = 0;
  hasRepeats = false;
  hasEnvoyHeaders = false;
  /** Of the message's body; -1 when it does not say. */
  contentLength = -1;
  /** `:protocol` of an extended CONNECT (RFC 8441), in lower case. */
  protocol = '';
  /** 1: the line must never be indexed by anybody. */
  neverIndexed: Uint8Array | undefined;
  private lines: EncodedLines | undefined;

  constructor(bytes: Buffer, count: number) {
    this.bytes = bytes;
    this.size = bytes.length;
    this.count = count;
    this.spans = count === 0 ? NO_SPANS : new Int32Array(4 * count);
  }

  /** A head for one message. */
  instantiate(): TemplatedHead {
    return new TemplatedHead(this);
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
    super(0);
    const { count } = template;
    this.template = template;
    this.bytes = template.bytes;
    this.size = template.size;
    this.count = count;
    this.spans = template.spans;
    this.odd = count <= MAX_SHARED ? NONE_ODD : new Uint8Array(count);
    this.dropped = new Uint8Array(count);
    this.first.set(template.first);
    this.methodEnd = template.methodEnd;
    this.targetStart = template.methodEnd + 1;
    this.targetEnd = template.targetEnd;
    this.version = 20;
    this.status = template.status;
    this.hasRepeats = template.hasRepeats;
    this.hasEnvoyHeaders = template.hasEnvoyHeaders;
  }
}
