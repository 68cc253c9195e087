export { checkReferences } from './check-references.ts';
export { checkSupport } from './check-support.ts';
