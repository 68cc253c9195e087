// gopher-distributor: says which version it is and from which pod. Version 2 adds an id that differs each time.

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { createHttpApp, type Route, sendText, serve } from '../../src/http-app.ts';

export function distributorRoutes(settings: { version: string; podName: string }): Route[] {
  const line = `Gopher Version ${settings.version} from pod ${settings.podName}`;
  return [
    {
      method: 'GET',
      pattern: '/**',
      handle: ({ response }) => sendText(response, 200, settings.version === '1' ? line : `${line} (${randomBytes(8).toString('hex')})`),
    },
  ];
}

if (import.meta.main) {
  serve(
    createHttpApp(distributorRoutes({ version: process.env.GOPHER_VERSION ?? '1', podName: process.env.HOSTNAME ?? hostname() })),
    8080,
  );
}
