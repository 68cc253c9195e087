// Bookinfo "ratings": stars by reviewer, kept in memory.

import { createHttpApp, type Route, readBody, sendJson, serve } from '../../../src/http-app.ts';

type Ratings = Record<string, number>;

/** Routes over their own memory; a POST replaces the ratings of one product. */
export function ratingsRoutes(): Route[] {
  const added = new Map<number, Ratings>();
  const numericId = (id: string | undefined) => (id !== undefined && /^\d{1,9}$/.test(id) ? Number(id) : undefined);
  return [
    { method: 'GET', pattern: '/health', handle: ({ response }) => sendJson(response, 200, { status: 'Ratings is healthy' }) },
    {
      method: 'GET',
      pattern: '/ratings/:id',
      handle: ({ response, params }) => {
        const id = numericId(params.id);
        if (id === undefined) return sendJson(response, 400, { error: 'please provide numeric product ID' });
        sendJson(response, 200, { id, ratings: added.get(id) ?? { Reviewer1: 5, Reviewer2: 4 } });
      },
    },
    {
      method: 'POST',
      pattern: '/ratings/:id',
      handle: async ({ request, response, params }) => {
        const id = numericId(params.id);
        if (id === undefined) return sendJson(response, 400, { error: 'please provide numeric product ID' });
        const ratings = parseRatings(await readBody(request));
        if (!ratings) return sendJson(response, 400, { error: 'please provide valid ratings JSON' });
        if (added.size >= 1000 && !added.has(id)) return sendJson(response, 507, { error: 'too many rated products' });
        added.set(id, ratings);
        sendJson(response, 200, { id, ratings });
      },
    },
  ];
}

function parseRatings(text: string): Ratings | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return Object.values(value).every((stars) => typeof stars === 'number') ? (value as Ratings) : undefined;
  } catch {
    return undefined;
  }
}

if (import.meta.main) serve(createHttpApp(ratingsRoutes()), 9080);
