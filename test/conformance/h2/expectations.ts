// What a server may do about a frame, as RFC 9113 words it.

import assert from 'node:assert/strict';
import { BARE_CLOSE, type FrameClient } from './frame-client.ts';
import { ERROR, FLAG, ping, TYPE } from './frames.ts';

export type Expectation = (client: FrameClient) => Promise<void>;

const CLOSE_MS = 5000;

/** The answer of `stream` has this status and ends. */
export const answers =
  (status = 200, stream = 1): Expectation =>
  async (client) => {
    const answer = await client.ended(stream);
    assert.equal(answer.status, status, client.summary());
    assert.ok(answer.ended, client.summary());
  };

/** The connection lives. */
export const alive: Expectation = async (client) => {
  client.send(ping('areyouup'));
  const isAck = () =>
    client.frames.some((one) => one.type === TYPE.ping && (one.flags & FLAG.ack) !== 0 && one.payload.toString() === 'areyouup');
  await client.until('the answer to PING', isAck);
  assert.equal(client.goawayCode, undefined, client.summary());
};

/** GOAWAY with one of these codes, and then the end of the connection. */
export const connectionError =
  (...codes: number[]): Expectation =>
  async (client) => {
    await client.until('GOAWAY', () => client.goawayCode !== undefined);
    assert.ok([...codes, BARE_CLOSE].includes(client.goawayCode!), client.summary());
    await client.until('the end of the connection', () => client.closed, CLOSE_MS);
  };

/** RST_STREAM with one of these codes, or the same as a connection error, which RFC 9113 5.4 allows. */
export const streamError =
  (stream: number, ...codes: number[]): Expectation =>
  async (client) => {
    const resetCode = () => client.answer(stream).resetCode;
    await client.until('a stream error', () => resetCode() !== undefined || client.goawayCode !== undefined);
    if (client.goawayCode !== undefined) return connectionError(...codes)(client);
    assert.ok(codes.includes(resetCode()!), client.summary());
    return alive(client);
  };

/** RFC 9113 8.1.1: a malformed request is a stream error PROTOCOL_ERROR; an answer 400 may come before it. Never another answer. */
export const malformed =
  (stream = 1): Expectation =>
  async (client) => {
    const { status } = client.answer(stream);
    const isJudged = () => client.answer(stream).resetCode !== undefined || client.answer(stream).ended || client.goawayCode !== undefined;
    await client.until('a refusal', isJudged);
    const { status: answered, resetCode } = client.answer(stream);
    assert.ok([0, 400].includes(status || answered), client.summary());
    if (resetCode !== undefined)
      assert.ok([ERROR.protocol, ...(answered === 400 ? [ERROR.none] : [])].includes(resetCode as 0), client.summary());
    if (client.goawayCode !== undefined) assert.ok([ERROR.protocol, BARE_CLOSE].includes(client.goawayCode as 1), client.summary());
  };

/** Either of these. */
export const oneOf =
  (...expectations: readonly Expectation[]): Expectation =>
  async (client) => {
    const failures: unknown[] = [];
    for (const expectation of expectations) {
      const failure = await expectation(client).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return;
      failures.push(failure);
    }
    throw failures[0];
  };
