export * from './ingest/index.ts';
export * from './model/index.ts';
export * from './references/index.ts';
