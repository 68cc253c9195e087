export { PatchError, type PatchErrorReason } from './errors.ts';
export { applyJsonPatch, createJsonPatch, escapePointerToken, type JsonPatchOperation, parsePointer } from './json-patch.ts';
export { applyMergePatch, createMergePatch } from './merge-patch.ts';
export { applyStrategicMergePatch, type StrategicMergeOptions } from './strategic-merge-patch.ts';
