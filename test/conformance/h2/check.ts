// One check of the checklist, and what most of them send.

import type { Expectation } from './expectations.ts';
import { type FrameClient, postBlock, requestBlock } from './frame-client.ts';
import { frame, headers } from './frames.ts';

export type Check = {
  section: string;
  name: string;
  run: (client: FrameClient) => void | Promise<void>;
  expects: Expectation;
  /** Default true. */
  handshake?: boolean;
  settings?: readonly (readonly [id: number, value: number])[];
  /** Why Envoy does otherwise, and may. */
  notEnvoy?: string;
};

export const GET = requestBlock();
export const POST = postBlock();

/** HEADERS of a POST whose body is still to come. */
export const open = (stream = 1): Buffer => headers(stream, POST, { endStream: false });

/** A frame as it is, right or wrong; a number stands for that many zero bytes. */
export const raw = (stream: number, type: number, payload: Buffer | number = 0, flags = 0): Buffer =>
  frame(type, { stream, flags, payload: typeof payload === 'number' ? Buffer.alloc(payload) : payload });

/** Sends all in one write, so that nothing is answered in between. */
export const sends =
  (...parts: Buffer[]): Check['run'] =>
  (client) =>
    client.send(...parts);

/** After the whole answer of a first request on stream 1. */
export const afterAnswer =
  (...parts: Buffer[]): Check['run'] =>
  async (client) => {
    client.send(headers(1, GET));
    await client.ended(1);
    client.send(...parts);
  };
