// Bookinfo "details": facts about a book.

import { createHttpApp, type Route, sendJson, serve } from '../../../src/http-app.ts';

export type BookDetails = {
  id: number;
  author: string;
  year: number;
  type: string;
  pages: number;
  publisher: string;
  language: string;
  'ISBN-10': string;
  'ISBN-13': string;
};

/** The same play for every id, as the sample has always done. */
export function detailsOf(id: number): BookDetails {
  return {
    id,
    author: 'William Shakespeare',
    year: 1595,
    type: 'paperback',
    pages: 200,
    publisher: 'PublisherA',
    language: 'English',
    'ISBN-10': '1234567890',
    'ISBN-13': '123-1234567890',
  };
}

export const detailsRoutes: Route[] = [
  { method: 'GET', pattern: '/health', handle: ({ response }) => sendJson(response, 200, { status: 'Details is healthy' }) },
  {
    method: 'GET',
    pattern: '/details/:id',
    handle: ({ response, params }) => {
      const id = params.id as string;
      if (!/^\d{1,9}$/.test(id)) return sendJson(response, 400, { error: 'please provide numeric product id' });
      sendJson(response, 200, detailsOf(Number(id)));
    },
  },
];

if (import.meta.main) serve(createHttpApp(detailsRoutes), 9080);
