// Reads container logs back for `kubectl logs`: history with tail and since, then following.

import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Clock } from '@lateen/base';
import type { LogOptions } from '../contracts.ts';
import { type ContainerLog, rotatedPath } from './container-log.ts';

export type LogSource = {
  path: string;
  /** The log still being written, if it is. */
  live: ContainerLog | undefined;
};

type Entry = { time: string; partial: boolean; text: string };

/** The log as text, from the oldest kept line. Ends when the container ends, or at once without `follow`. */
export function readContainerLog(source: LogSource, options: LogOptions, context: { clock: Clock; signal: AbortSignal }): Readable {
  return Readable.from(limited(lines(source, options, context), options.limitBytes), { objectMode: false });
}

async function* lines(source: LogSource, options: LogOptions, { clock, signal }: { clock: Clock; signal: AbortSignal }) {
  const since = sinceTime(options, clock);
  const { older, newest } = await openFiles(source.path);
  try {
    const history = older ? parseEntries(await readToEnd(older, 0)) : [];
    const head = newest ? await readToEnd(newest, 0) : Buffer.alloc(0);
    history.push(...parseEntries(head));
    const recent = history.filter((entry) => since === undefined || entry.time >= since);
    const { tailLines } = options;
    const kept = tailLines === undefined ? recent : tailLines <= 0 ? [] : recent.slice(tailStart(recent, tailLines));
    if (kept.length > 0) yield kept.map((entry) => render(entry, options.timestamps)).join('');
    if (!options.follow || !source.live || !newest) return;
    yield* followed({
      handle: newest,
      live: source.live,
      path: source.path,
      position: head.length,
      signal,
      timestamps: options.timestamps,
    });
  } finally {
    await older?.close();
    await newest?.close();
  }
}

/**
 * The log's files as they stood at one moment. While the file turns over, it is seen under both names, or for an instant under none that
 * is new; as the writer turns it over within one turn of this event loop, the next look is at the whole.
 */
async function openFiles(path: string): Promise<{ older: FileHandle | undefined; newest: FileHandle | undefined }> {
  for (let look = 1; ; look++) {
    const newest = await open(path, 'r').catch(() => undefined);
    const older = await open(rotatedPath(path), 'r').catch(() => undefined);
    const isBetween = older !== undefined && (newest === undefined || (await isSameFile(newest, older)));
    if (!isBetween || look === 3) return { older, newest };
    await newest?.close();
    await older.close();
  }
}

const isSameFile = async (a: FileHandle, b: FileHandle): Promise<boolean> => (await a.stat()).ino === (await b.stat()).ino;

type Following = { handle: FileHandle; live: ContainerLog; path: string; position: number; signal: AbortSignal; timestamps: boolean };

async function* followed({ handle, live, path, position, signal, timestamps }: Following) {
  let file = handle;
  let at = position;
  let changed = true;
  let wake = () => {};
  const notify = () => {
    changed = true;
    wake();
  };
  const stop = live.onChange(notify);
  signal.addEventListener('abort', notify, { once: true });
  const unread = async () => {
    const bytes = await readToEnd(file, at);
    at += bytes.length;
    return parseEntries(bytes)
      .map((entry) => render(entry, timestamps))
      .join('');
  };
  try {
    while (!signal.aborted) {
      if (!changed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      changed = false;
      const ended = live.ended;
      const text = await unread();
      if (text !== '') yield text;
      const next = await openNext(path, file);
      if (next) {
        // Nothing is written to a file that turned over, so this is the last of it.
        const last = await unread();
        if (last !== '') yield last;
        if (file !== handle) await file.close();
        file = next;
        at = 0;
        changed = true;
      } else if (ended) return;
    }
  } finally {
    stop();
    signal.removeEventListener('abort', notify);
    if (file !== handle) await file.close();
  }
}

/** The file that was begun after `file`, once there is one; the oldest that is left when the log turned over more than once since. */
async function openNext(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const { older, newest } = await openFiles(path);
  const isNewest = newest !== undefined && (await isSameFile(newest, file));
  const next = isNewest ? undefined : older && !(await isSameFile(older, file)) ? older : newest;
  for (const handle of [older, newest]) if (handle !== next) await handle?.close();
  return next;
}

async function readToEnd(handle: FileHandle, position: number): Promise<Buffer> {
  const { size } = await handle.stat();
  const bytes = Buffer.alloc(Math.max(0, size - position));
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, position);
  return bytes.subarray(0, bytesRead);
}

/** Parses whole CRI lines ("TIME STREAM TAG text"); anything else is skipped. */
function parseEntries(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (const line of bytes.toString('utf8').split('\n')) {
    const match = /^(\S+) (?:stdout|stderr) ([FP]) /.exec(line.slice(0, 80));
    if (match) entries.push({ time: match[1] as string, partial: match[2] === 'P', text: line.slice(match[0].length) });
  }
  return entries;
}

const render = (entry: Entry, timestamps: boolean): string =>
  `${timestamps ? `${entry.time} ` : ''}${entry.text}${entry.partial ? '' : '\n'}`;

// Parts of one long line count as one line.
function tailStart(entries: readonly Entry[], tailLines: number): number {
  let left = tailLines;
  let start = entries.length;
  while (start > 0) {
    if (!(entries[start - 1] as Entry).partial && left-- === 0) break;
    start--;
  }
  return start;
}

function sinceTime(options: LogOptions, clock: Clock): string | undefined {
  if (options.sinceTime !== undefined) {
    const time = Date.parse(options.sinceTime);
    return Number.isNaN(time) ? undefined : comparable(time);
  }
  return options.sinceSeconds === undefined ? undefined : comparable(clock.now() - options.sinceSeconds * 1000);
}

// Without the final "Z" it orders correctly before the longer times in the log.
const comparable = (timeMs: number): string => new Date(timeMs).toISOString().slice(0, -1);

async function* limited(chunks: AsyncIterable<string>, limitBytes: number | undefined) {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk);
    if (bytes.length >= left) {
      yield bytes.subarray(0, left);
      return;
    }
    left -= bytes.length;
    yield bytes;
  }
}
