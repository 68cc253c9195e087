/** After this long without work a proxy has given back what starting or load left behind. */
const SETTLE_MS = 46_000;

export const settle = (): Promise<void> => new Promise((next) => setTimeout(next, SETTLE_MS));
