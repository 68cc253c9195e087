// What a fuzz target is. `run` throws when an invariant is broken; it may give how many bytes the input made (default none), which
// must stay below a hundredfold.

export type Target = {
  readonly name: string;
  /** Good inputs to begin with; the committed corpus adds what was found. */
  readonly seeds: () => readonly Buffer[];
  /** Pieces that mean something to the parser. */
  readonly tokens: readonly string[];
  run(input: Buffer): number | undefined;
};

/** Largest input of a target. */
export const MAX_INPUT_BYTES = 16 * 1024;
/** Envoy's rule: an input may not cost a hundred times its size; small inputs have a floor. */
export const MAX_AMPLIFICATION = 100;
const FLOOR_BYTES = 4096;
/** Of CPU time: a busy machine makes no input slow. */
const MAX_MS = 1000;

/** Runs one input under the rules that hold for all targets. @throws what is wrong */
export function check(target: Target, input: Buffer): void {
  const startedMs = cpuMs();
  const made = target.run(Buffer.from(input)) ?? 0;
  const tookMs = cpuMs() - startedMs;
  if (tookMs > MAX_MS) throw new Error(`took ${Math.round(tookMs)} ms`);
  if (made > MAX_AMPLIFICATION * Math.max(input.length, FLOOR_BYTES)) throw new Error(`${input.length} bytes became ${made}`);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
