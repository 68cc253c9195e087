// What a terminal's line mode does, for `kubectl exec -it`: kubectl puts the user's terminal into raw mode and relies on the
// other side for echo, line editing and line ends. There is no pseudo-terminal here (that needs native code), so programs
// still see pipes: no full-screen programs, no job control, and shells show a prompt only with `-i`.

import { Transform, type TransformCallback } from 'node:stream';

const NEWLINE = Buffer.from('\r\n');
const ERASE = Buffer.from('\b \b');
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;

export type LineInputOptions = {
  /** Shows what was typed. */
  echo(bytes: Buffer): void;
  /** Control-C. */
  onInterrupt(): void;
};

/** Raw keys in, finished lines out. Ends at Control-D on an empty line. Escape sequences (arrow keys) are dropped. */
export function createLineInput({ echo, onInterrupt }: LineInputOptions): Transform {
  let line: number[] = [];
  let ended = false;
  let sequence: 'none' | 'begun' | 'parameters' = 'none';
  const erase = () => {
    // The continuation bytes of a UTF-8 character are shown as one.
    while (((line.at(-1) ?? 0) & 0xc0) === 0x80) line.pop();
    if (line.pop() !== undefined) echo(ERASE);
  };
  const type = (key: number, output: Transform) => {
    if (sequence !== 'none') {
      const goes = (sequence === 'begun' && key === 0x5b) || (sequence === 'parameters' && (key < 0x40 || key > 0x7e));
      sequence = goes ? 'parameters' : 'none';
    } else if (key === ESCAPE) sequence = 'begun';
    else if (key === 0x0d || key === 0x0a) {
      echo(NEWLINE);
      output.push(Buffer.from([...line, 0x0a]));
      line = [];
    } else if (key === 0x7f || key === 0x08) erase();
    else if (key === CTRL_U) while (line.length > 0) erase();
    else if (key === CTRL_C) {
      line = [];
      echo(Buffer.from('^C\r\n'));
      onInterrupt();
    } else if (key === CTRL_D) {
      if (line.length > 0) return;
      ended = true;
      output.push(null);
    } else if (key >= 0x20 || key === 0x09) {
      line.push(key);
      echo(Buffer.from([key]));
    }
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      for (const key of chunk) if (!ended) type(key, this);
      done();
    },
    flush(done: TransformCallback) {
      if (line.length > 0 && !ended) this.push(Buffer.from(line));
      done();
    },
  });
}

/** Line ends as a raw terminal needs them. */
export function createLineOutput(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      done(null, Buffer.from(chunk.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1'));
    },
  });
}
