export { type EventuallyOptions, eventually } from './eventually.ts';
export { freePort } from './free-port.ts';
export { assertGolden } from './golden.ts';
export { createVirtualClock, type VirtualClock } from './virtual-clock.ts';
