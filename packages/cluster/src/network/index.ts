export { chooseNetworkMode, type ModeChoice, type Refusal } from './choose-mode.ts';
export { createNetwork, type NetworkOptions } from './create-network.ts';
export { connectHost, createLocalHost, type HostLink } from './host-link.ts';
export { type NodeExit, type NodeProcess, type NodeProcessOptions, startNodeProcess } from './node-process.ts';
