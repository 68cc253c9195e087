import { STATUS_CODES } from 'node:http';

const lines: string[] = [];

/** "HTTP/1.1 200 OK" with CRLF; the reason is the standard one, or "Unknown". */
export function statusLine(status: number): string {
  const known = lines[status];
  if (known !== undefined) return known;
  const line = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`;
  lines[status] = line;
  return line;
}

/** The same for a client that speaks HTTP/1.0, as Envoy. */
export const oldStatusLine = (status: number): string => statusLine(status).replace('HTTP/1.1', 'HTTP/1.0');

export const reasonOf = (status: number): string => STATUS_CODES[status] ?? 'Unknown';
