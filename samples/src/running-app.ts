// For the samples' tests: a route table listening on a free port of loopback.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { createHttpApp, type Route } from './http-app.ts';

/** Starts the app; gives its base URL. It closes with the test. */
export async function runApp(context: TestContext, routes: Route[]): Promise<string> {
  const server = createHttpApp(routes);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
