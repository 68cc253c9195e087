// Frames of HTTP/2 (RFC 9113 section 6), written byte by byte so that any of them can be wrong.

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const ERROR = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  connect: 10,
  enhanceYourCalm: 11,
} as const;

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const NOTHING = Buffer.alloc(0);

export type FrameOptions = { flags?: number; stream?: number; payload?: Buffer };

export function frame(type: number, { flags = 0, stream = 0, payload = NOTHING }: FrameOptions = {}): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

export type HeadersOptions = { endStream?: boolean; endHeaders?: boolean };

export const headers = (stream: number, payload: Buffer, { endStream = true, endHeaders = true }: HeadersOptions = {}): Buffer =>
  frame(TYPE.headers, { stream, payload, flags: (endStream ? FLAG.endStream : 0) | (endHeaders ? FLAG.endHeaders : 0) });

export const continuation = (stream: number, payload: Buffer, endHeaders = true): Buffer =>
  frame(TYPE.continuation, { stream, payload, flags: endHeaders ? FLAG.endHeaders : 0 });

export const data = (stream: number, payload: Buffer | string, endStream = true): Buffer =>
  frame(TYPE.data, { stream, payload: Buffer.from(payload), flags: endStream ? FLAG.endStream : 0 });

export const settings = (pairs: readonly (readonly [id: number, value: number])[] = []): Buffer =>
  frame(TYPE.settings, {
    payload: Buffer.concat(
      pairs.map(([id, value]) => {
        const bytes = Buffer.alloc(6);
        bytes.writeUInt16BE(id);
        bytes.writeUInt32BE(value >>> 0, 2);
        return bytes;
      }),
    ),
  });

export const settingsAck = (): Buffer => frame(TYPE.settings, { flags: FLAG.ack });
export const ping = (text = 'pingpong', flags = 0): Buffer => frame(TYPE.ping, { flags, payload: Buffer.from(text) });
export const rstStream = (stream: number, code: number = ERROR.cancel): Buffer => frame(TYPE.rstStream, { stream, payload: uint32(code) });
export const windowUpdate = (stream: number, increment: number): Buffer => frame(TYPE.windowUpdate, { stream, payload: uint32(increment) });

/** Weight as on the wire (0 to 255). */
export const priorityFields = (dependsOn: number, weight = 15, exclusive = false): Buffer =>
  Buffer.concat([uint32(exclusive ? dependsOn + 2 ** 31 : dependsOn), Buffer.from([weight])]);
export const priority = (stream: number, dependsOn: number, weight = 15): Buffer =>
  frame(TYPE.priority, { stream, payload: priorityFields(dependsOn, weight) });
export const goaway = (code: number = ERROR.none, lastStream = 0, text = ''): Buffer =>
  frame(TYPE.goaway, { payload: Buffer.concat([uint32(lastStream), uint32(code), Buffer.from(text)]) });
