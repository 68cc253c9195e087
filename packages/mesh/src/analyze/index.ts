// Entry @lateen/mesh/analyze.

export { type AnalyzeInput, analyze } from './analyze.ts';
export type { AnalyzedObject } from './world.ts';
