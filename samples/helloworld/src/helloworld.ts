// helloworld: one line with the version and the instance that answered.

import { hostname } from 'node:os';
import { createHttpApp, type Route, sendText, serve } from '../../src/http-app.ts';

export function helloworldRoutes(settings: { version: string; instance: string }): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/hello',
      handle: ({ response }) => sendText(response, 200, `Hello version: ${settings.version}, instance: ${settings.instance}\n`),
    },
    { method: 'GET', pattern: '/health', handle: ({ response }) => sendText(response, 200, 'Helloworld is healthy') },
  ];
}

if (import.meta.main) {
  const settings = { version: process.env.SERVICE_VERSION ?? 'unknown', instance: process.env.HOSTNAME ?? hostname() };
  serve(createHttpApp(helloworldRoutes(settings)), 5000);
}
