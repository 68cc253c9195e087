// Types of the Kubernetes API as far as a mesh and an embedded cluster touch them; no code that needs Node.

export type * from './admission.ts';
export type * from './apiextensions.ts';
export type * from './apps.ts';
export type * from './auth.ts';
export type * from './coordination.ts';
export type * from './core.ts';
export type * from './discovery.ts';
export * from './meta.ts';
export type * from './pod.ts';
export type * from './volume.ts';
