// The numbers of several threads as those of one proxy: counters and gauges add up, histogram lines too.

import { addStats, type Stat } from '../observe/stats.ts';

/** Sums by name; order of first appearance. Names that `isPerProcess` picks are the first thread's. */
export function mergeStats(threads: readonly (readonly Stat[])[], isPerProcess: (name: string) => boolean): Stat[] {
  const merged = new Map<string, Stat>();
  for (const stats of threads) {
    for (const stat of stats) {
      const known = merged.get(stat.name);
      if (!known) merged.set(stat.name, stat);
      else if (!isPerProcess(stat.name)) merged.set(stat.name, addStats(known, stat));
    }
  }
  return [...merged.values()];
}

/** Sums Prometheus expositions sample by sample; families keep their HELP and TYPE lines once. */
export function mergeExpositions(texts: readonly string[]): string {
  if (texts.length === 1) return texts[0] as string;
  // Family header -> sample (name and labels) -> value.
  const families = new Map<string, { header: string; samples: Map<string, number> }>();
  for (const text of texts) {
    let samples: Map<string, number> | undefined;
    let help = '';
    for (const line of text.split('\n')) {
      if (line.startsWith('# HELP ')) help = `${line}\n`;
      else if (line.startsWith('# TYPE ')) {
        const name = line.slice(7, line.indexOf(' ', 7));
        let family = families.get(name);
        if (!family) {
          family = { header: `${help}${line}\n`, samples: new Map() };
          families.set(name, family);
        }
        samples = family.samples;
        help = '';
      } else if (samples && line !== '') {
        const space = line.lastIndexOf(' ');
        const sample = line.slice(0, space);
        const value = Number(line.slice(space + 1));
        samples.set(sample, sample.startsWith('istio_build') ? value : (samples.get(sample) ?? 0) + value);
      }
    }
  }
  let merged = '';
  for (const { header, samples } of families.values()) {
    merged += header;
    for (const [sample, value] of samples) merged += `${sample} ${value}\n`;
  }
  return merged;
}
