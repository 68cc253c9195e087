// What the client needs of a connection to an API server. The embedded server answers it in-process; `http-transport.ts` over
// sockets.

export type KubeRequest = {
  method: string;
  /** Starts with "/", no query. */
  path: string;
  /** Undefined values are left out. */
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  signal?: AbortSignal;
};

export type KubeResponse = {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** Must be read or `return()`ed; ends or throws. */
  body: AsyncIterable<Uint8Array>;
};

export type KubeTransport = {
  /** Rejects when no response came (connection refused, aborted); HTTP errors are responses. */
  request(request: KubeRequest): Promise<KubeResponse>;
  close(): void | Promise<void>;
};

/** The whole body as text. @throws RangeError past `maxBytes` (default 256 MiB). */
export async function readBody(body: AsyncIterable<Uint8Array>, maxBytes = 256 * 1024 * 1024): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new RangeError(`the response is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The body's lines without their ends, as they arrive. @throws RangeError for a line over `maxLineBytes` (default 64 MiB). */
export async function* readLines(body: AsyncIterable<Uint8Array>, maxLineBytes = 64 * 1024 * 1024): AsyncGenerator<string> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      pending.push(chunk.subarray(start, end));
      yield Buffer.concat(pending).toString('utf8');
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > maxLineBytes) throw new RangeError(`a line of the response is longer than ${maxLineBytes} bytes`);
    }
  }
  if (pendingBytes > 0) yield Buffer.concat(pending).toString('utf8');
}
