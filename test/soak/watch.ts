// What a process holds, sampled from /proc. Linux only.

import { readdirSync, readFileSync } from 'node:fs';

export type Sample = { readonly seconds: number; readonly residentBytes: number; readonly descriptors: number };

export function takeSample(pid: number, seconds: number): Sample {
  const kib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return { seconds, residentBytes: kib * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Least squares: bytes per second. */
export function slopeOf(samples: readonly Sample[]): number {
  const n = samples.length;
  const meanX = samples.reduce((sum, { seconds }) => sum + seconds, 0) / n;
  const meanY = samples.reduce((sum, { residentBytes }) => sum + residentBytes, 0) / n;
  let above = 0;
  let below = 0;
  for (const { seconds, residentBytes } of samples) {
    above += (seconds - meanX) * (residentBytes - meanY);
    below += (seconds - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
