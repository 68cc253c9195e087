// Reads the Prometheus text format in tests: enough to ask for a series by its labels.

export type Sample = { name: string; labels: Record<string, string>; value: number };

/** The samples of one metric; `matching` labels must all be there with these values. */
export function samplesOf(text: string, name: string, matching: Record<string, string> = {}): Sample[] {
  return text
    .split('\n')
    .map(parseSample)
    .filter((sample) => sample !== undefined)
    .filter((sample) => sample.name === name && Object.entries(matching).every(([label, value]) => sample.labels[label] === value));
}

/** The sum over all matching samples. */
export const sumOf = (text: string, name: string, matching: Record<string, string> = {}): number =>
  samplesOf(text, name, matching).reduce((sum, { value }) => sum + value, 0);

function parseSample(line: string): Sample | undefined {
  const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) return undefined;
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text]);
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
}
