// Reads DER (X.690) of certificates that strangers sent: every length is checked, nothing is guessed, nothing throws out of here
// but `DerError`, which the exported readers of this folder turn into a Result.

export class DerError extends Error {}

export type Tlv = { readonly tag: number; readonly body: Uint8Array; readonly end: number };

/** The value that begins at `at`, within `bytes`. */
export function readTlv(bytes: Uint8Array, at: number): Tlv {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new DerError('truncated');
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of more than one byte');
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new DerError('a length that DER does not have');
    length = 0;
    for (let i = 0; i < count; i++) {
      const byte = bytes[start + i];
      if (byte === undefined) throw new DerError('truncated');
      length = length * 256 + byte;
    }
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw new DerError('truncated');
  return { tag, body: bytes.subarray(start, end), end };
}

/** The values inside a constructed one. */
export function childrenOf(body: Uint8Array): Tlv[] {
  const children: Tlv[] = [];
  for (let at = 0; at < body.length; ) {
    const child = readTlv(body, at);
    children.push(child);
    at = child.end;
  }
  return children;
}

/** The value as one of this tag. */
export function expectTag(tlv: Tlv | undefined, tag: number): Uint8Array {
  if (tlv?.tag !== tag) throw new DerError(`expected tag ${tag}`);
  return tlv.body;
}

/** An object identifier in dotted form. */
export function oidText(body: Uint8Array): string {
  const arcs: number[] = [];
  let value = 0;
  for (const byte of body) {
    if (value > 0x1ffffff) throw new DerError('an object identifier that is too large');
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) === 0) {
      if (arcs.length === 0) {
        const first = Math.min(2, Math.floor(value / 40));
        arcs.push(first, value - first * 40);
      } else arcs.push(value);
      value = 0;
    }
  }
  return arcs.join('.');
}
