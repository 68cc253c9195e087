// What access log operators may tell of the process itself: %HOSTNAME% and %ENVIRONMENT(X)%, read once.

import { hostname } from 'node:os';

export const HOSTNAME: string = hostname();

export const environmentVariable = (name: string): string | undefined => process.env[name];
