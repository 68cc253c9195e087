// What the host-side parent of `lateen up` needs, and no more: it should stay small.

export type { NetworkMode } from './contracts.ts';
export { chooseNetworkMode } from './network/choose-mode.ts';
export { type NodeExit, type NodeProcess, startNodeProcess } from './network/node-process.ts';
