// gopher-requester: passes each request on to the distributor and answers with one line.

import { createHttpApp, type Route, sendText, serve } from '../../src/http-app.ts';
import { call, forwardedHeaders } from '../../src/upstream-call.ts';

export function requesterRoutes(settings: { distributorUrl: string }): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/**',
      handle: async ({ request, response }) => {
        try {
          const { status, body } = await call(settings.distributorUrl, { headers: forwardedHeaders(request.headers), timeoutMs: 15_000 });
          if (status === 200) return sendText(response, 200, `Request >> ${body}\n`);
          sendText(response, 502, `Request >> the distributor answered ${status}\n`);
        } catch (error) {
          sendText(response, 502, `Request >> no answer from the distributor: ${error instanceof Error ? error.message : String(error)}\n`);
        }
      },
    },
  ];
}

if (import.meta.main) {
  const distributorUrl = process.env.DISTRIBUTOR_URL ?? 'http://gopher-distributor.default.svc.cluster.local/';
  serve(createHttpApp(requesterRoutes({ distributorUrl })), 8080);
}
