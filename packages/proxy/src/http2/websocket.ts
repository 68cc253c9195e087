// HTTP/2 opens WebSockets without the key handshake of HTTP/1.1 (RFC 8441); a proxy between the two supplies what is missing.

import { createHash, randomBytes } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The answer that an HTTP/1.1 client expects to its `sec-websocket-key`. */
export const acceptOf = (key: string): string => createHash('sha1').update(`${key}${GUID}`).digest('base64');

/** A fresh key for a request that comes from HTTP/2. */
export const newWebsocketKey = (): string => randomBytes(16).toString('base64');
