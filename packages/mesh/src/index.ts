export * from './ingest/index.ts';
export * from './model/index.ts';
