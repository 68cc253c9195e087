export { INGESTED_KINDS, ingest, ingestAll, type ObjectChange, withMeshConfig } from './ingest.ts';
