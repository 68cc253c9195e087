export { checkReferences } from './check-references.ts';
export { checkMeshConfigSupport, checkSupport } from './check-support.ts';
