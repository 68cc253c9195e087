// A container's output on disk in the CRI format the kubelet writes ("TIME stdout F line"), one file per start of the
// container, turned over once when it grows beyond the cap. Readers that follow are told of every append.

import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@lateen/base';

export type LogStream = 'stdout' | 'stderr';

export type ContainerLog = {
  readonly path: string;
  write(stream: LogStream, chunk: Buffer | string): void;
  /** Called after every append, and once when the log ends. Gives a function that stops it. */
  onChange(listener: () => void): () => void;
  readonly ended: boolean;
  /** Writes out what is left without a newline; nothing can follow. */
  end(): void;
};

export type ContainerLogOptions = { path: string; clock: Clock; maxBytes?: number };

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024;
/** Longer lines are split into parts tagged P, as container runtimes do. */
const MAX_LINE_BYTES = 16 * 1024;

/** Where the older half of a turned-over log is. */
export const rotatedPath = (path: string): string => `${path}.1`;

export function createContainerLog({ path, clock, maxBytes = DEFAULT_MAX_BYTES }: ContainerLogOptions): ContainerLog {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let fd = openSync(path, 'a', 0o600);
  let sizeBytes = existsSync(path) ? statSync(path).size : 0;
  let ended = false;
  const listeners = new Set<() => void>();
  const rest: Record<LogStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  const append = (parts: Buffer[]) => {
    const bytes = Buffer.concat(parts);
    if (sizeBytes > 0 && sizeBytes + bytes.length > maxBytes) {
      closeSync(fd);
      renameSync(path, rotatedPath(path));
      fd = openSync(path, 'a', 0o600);
      sizeBytes = 0;
    }
    writeSync(fd, bytes);
    sizeBytes += bytes.length;
    for (const listener of listeners) listener();
  };
  return {
    path,
    get ended() {
      return ended;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    write(stream, chunk) {
      if (ended) return;
      const { lines, left } = splitLines(Buffer.concat([rest[stream], Buffer.from(chunk)]));
      rest[stream] = left;
      if (lines.length > 0) append(lines.flatMap(({ data, tag }) => cri(clock, `${stream} ${tag}`, data)));
    },
    end() {
      if (ended) return;
      for (const stream of ['stdout', 'stderr'] as const) {
        if (rest[stream].length > 0) append(cri(clock, `${stream} F`, rest[stream]));
      }
      ended = true;
      closeSync(fd);
      for (const listener of listeners) listener();
    },
  };
}

function splitLines(bytes: Buffer): { lines: { data: Buffer; tag: 'F' | 'P' }[]; left: Buffer } {
  const lines: { data: Buffer; tag: 'F' | 'P' }[] = [];
  let start = 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    if (end - start > MAX_LINE_BYTES) {
      lines.push({ data: bytes.subarray(start, start + MAX_LINE_BYTES), tag: 'P' });
      start += MAX_LINE_BYTES;
    } else if (newline < 0) break;
    else {
      lines.push({ data: bytes.subarray(start, end), tag: 'F' });
      start = end + 1;
    }
  }
  return { lines, left: Buffer.from(bytes.subarray(start)) };
}

const NEWLINE = Buffer.from('\n');

function cri(clock: Clock, streamAndTag: string, data: Buffer): Buffer[] {
  // Kubernetes writes nanoseconds; the clock here has milliseconds.
  const time = new Date(clock.now()).toISOString().replace('Z', '000000Z');
  return [Buffer.from(`${time} ${streamAndTag} `), data, NEWLINE];
}
