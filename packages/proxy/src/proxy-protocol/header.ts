// What a PROXY protocol header says (HAProxy's proxy-protocol.txt), apart from how it is written.

import type { SocketAddress } from '@lateen/base';

/** One type-length-value of version 2. */
export type Tlv = { readonly type: number; readonly value: Buffer };

export type ProxyHeader = {
  readonly version: 1 | 2;
  /** Undefined: the sender speaks for itself (LOCAL, UNKNOWN), so the connection's own addresses hold. */
  readonly addresses: { readonly source: SocketAddress; readonly destination: SocketAddress } | undefined;
  readonly tlvs: readonly Tlv[];
};

export const V2_SIGNATURE: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
export const V1_SIGNATURE = 'PROXY ';
/** With CRLF. */
export const V1_MAX_BYTES = 107;
/** Signature, version and command, family, length. */
export const V2_FIXED_BYTES = 16;
