// Load tools on the load CPU, and what they counted.

import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { LOAD_CPU, type Stage } from './stage.ts';

/** What a browser sends; with Host seven request headers. */
export const REQUEST_HEADERS: readonly string[] = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) bench/1.0',
  'Accept: text/html,application/xhtml+xml',
  'Accept-Encoding: gzip, deflate',
  'Accept-Language: en-US,en;q=0.5',
  'Cache-Control: no-cache',
  'Cookie: session=0123456789abcdef',
];

export type LoadCount = { requests: number; seconds: number };
const run = promisify(execFile);

/** Keep-alive HTTP/1.1 over `connections` for `seconds`. Throws when an answer is not 2xx or a socket fails. */
export async function wrk(url: string, { connections, seconds }: { connections: number; seconds: number }): Promise<LoadCount> {
  const headers = REQUEST_HEADERS.flatMap((header) => ['-H', header]);
  const output = await pinned('wrk', ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, ...headers, url]);
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(`wrk ${url}: ${output}`);
  return { requests: Number(/(\d+) requests in/.exec(output)?.[1]), seconds };
}

export type H2Load = {
  connections: number;
  streams: number;
  seconds: number;
  headers?: readonly string[];
  bodyFile?: string;
  /** Of each answer: a proxy's own answer over gRPC is 200, too. */
  bodyBytes: number;
};

/** HTTP/2 (prior knowledge on http URLs) for `seconds`. Throws when an answer is not 2xx or has not the body that is expected. */
export async function h2load(
  url: string,
  { connections, streams, seconds, headers = REQUEST_HEADERS, bodyFile, bodyBytes }: H2Load,
): Promise<LoadCount> {
  const body = bodyFile ? ['-d', bodyFile] : [];
  const args = [
    '-t',
    '1',
    '-c',
    String(connections),
    '-m',
    String(streams),
    '-D',
    String(seconds),
    ...headers.flatMap((one) => ['-H', one]),
  ];
  const output = await pinned('h2load', [...args, ...body, url]);
  const [, succeeded, failed] = /(\d+) succeeded, (\d+) failed/.exec(output) ?? [];
  const [, ok] = /status codes: (\d+) 2xx/.exec(output) ?? [];
  const data = /\((\d+)\) data|, (\d+)B data/.exec(output);
  const hasBodies = Number(data?.[1] ?? data?.[2]) >= Number(succeeded) * bodyBytes;
  if (Number(failed) > 0 || Number(ok) < Number(succeeded) || !succeeded || !hasBodies) throw new Error(`h2load ${url}: ${output}`);
  return { requests: Number(succeeded), seconds };
}

/** Times in µs, sorted, of requests at a steady rate over kept-alive connections: `protocol` http1 or http2. */
export async function pacedLatencies(
  stage: Stage,
  url: string,
  options: { perSecond: number; connections: number; seconds: number; protocol: 'http1' | 'http2' },
): Promise<number[]> {
  const { perSecond, connections, seconds, protocol } = options;
  const log = `${stage.folder}/paced-${process.hrtime.bigint()}.log`;
  const headers = REQUEST_HEADERS.flatMap((header) => ['-H', header]);
  const kind = protocol === 'http1' ? ['--h1'] : [];
  const args = [
    '-t',
    '1',
    '-c',
    String(connections),
    `--rps=${perSecond / connections}`,
    '-n',
    String(perSecond * seconds),
    `--log-file=${log}`,
  ];
  await pinned('h2load', [...kind, ...args, ...headers, url]);
  const rows = readFileSync(log, 'utf8').trim().split('\n');
  rmSync(log);
  const times = rows.map((row) => row.split('\t')).filter(([, status]) => status?.startsWith('2'));
  if (times.length < rows.length) throw new Error(`h2load ${url}: ${rows.length - times.length} of ${rows.length} paced requests failed`);
  return times.map(([, , micros]) => Number(micros)).sort((a, b) => a - b);
}

/** Runs a load tool on the load CPU; gives its standard output. */
export async function pinned(command: string, args: readonly string[], timeoutMs = 120_000): Promise<string> {
  const { stdout } = await run('taskset', ['-c', String(LOAD_CPU), command, ...args], { timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}
