// Bookinfo "productpage": asks "details" and "reviews" and shows them on one page. Whoever signs in (any password) is named in
// the `end-user` header of the calls that their requests cause, which is what the tutorials route by.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createHttpApp, type Exchange, type Route, readBody, sendJson, sendText, serve } from '../../../src/http-app.ts';
import { call, forwardedHeaders } from '../../../src/upstream-call.ts';
import type { BookDetails } from '../details/details.ts';
import { type Fetched, type Product, type ReviewsAnswer, renderProductPage } from './page.ts';

export type ProductpageSettings = { detailsUrl: string; reviewsUrl: string; ratingsUrl: string; sessionKey: string };

const PRODUCTS: Product[] = [
  {
    id: 0,
    title: 'The Comedy of Errors',
    descriptionHtml:
      '<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">The Comedy of Errors</a> is one of William Shakespeare\'s early plays, and his ' +
      'shortest: a farce in which two sets of twins, parted as infants, are taken for one another all over town.',
  },
];

const CALL_TIMEOUT_MS = 3_000;

export function productpageRoutes(settings: ProductpageSettings): Route[] {
  const session = createSession(settings.sessionKey);
  const headersFor = (request: IncomingMessage): Record<string, string> => {
    const headers = forwardedHeaders(request.headers);
    const user = session.userOf(request);
    return user === undefined ? headers : { ...headers, 'end-user': user };
  };
  const fetchDetails = (request: IncomingMessage, id: number) =>
    fetchJson<BookDetails>(`${settings.detailsUrl}/details/${id}`, { headers: headersFor(request), attempts: 1, what: 'details' });
  // Reviews are asked twice before giving up: upstream's known quirk, which the fault-injection tutorial explains.
  const fetchReviews = (request: IncomingMessage, id: number) =>
    fetchJson<ReviewsAnswer>(`${settings.reviewsUrl}/reviews/${id}`, { headers: headersFor(request), attempts: 2, what: 'reviews' });
  const fetchRatings = (request: IncomingMessage, id: number) =>
    fetchJson<unknown>(`${settings.ratingsUrl}/ratings/${id}`, { headers: headersFor(request), attempts: 1, what: 'ratings' });

  const product = (exchange: Exchange): Product | undefined => {
    const found = PRODUCTS.find(({ id }) => String(id) === exchange.params.id);
    if (!found) sendJson(exchange.response, 404, { error: 'no such product' });
    return found;
  };
  const forward = (fetch: (request: IncomingMessage, id: number) => Promise<Fetched<unknown>>) => async (exchange: Exchange) => {
    const found = product(exchange);
    if (!found) return;
    const answer = await fetch(exchange.request, found.id);
    sendJson(exchange.response, answer.status, 'error' in answer ? { error: answer.error } : answer.value);
  };

  return [
    { method: 'GET', pattern: '/health', handle: ({ response }) => sendText(response, 200, 'Product page is healthy') },
    { method: 'GET', pattern: '/', handle: ({ response }) => redirect(response, '/productpage') },
    { method: 'GET', pattern: '/index.html', handle: ({ response }) => redirect(response, '/productpage') },
    {
      method: 'GET',
      pattern: '/productpage',
      handle: async ({ request, response }) => {
        const first = PRODUCTS[0] as Product;
        const [details, reviews] = await Promise.all([fetchDetails(request, first.id), fetchReviews(request, first.id)]);
        const page = renderProductPage({ product: first, details, reviews, user: session.userOf(request) });
        sendText(response, 200, page, 'text/html; charset=utf-8');
      },
    },
    {
      method: 'POST',
      pattern: '/login',
      handle: async ({ request, response }) => {
        const user = new URLSearchParams(await readBody(request)).get('username')?.trim();
        if (user) response.setHeader('set-cookie', session.cookieFor(user));
        redirect(response, '/productpage');
      },
    },
    {
      method: 'GET',
      pattern: '/logout',
      handle: ({ response }) => {
        response.setHeader('set-cookie', session.clearCookie);
        redirect(response, '/productpage');
      },
    },
    { method: 'GET', pattern: '/api/v1/products', handle: ({ response }) => sendJson(response, 200, PRODUCTS) },
    { method: 'GET', pattern: '/api/v1/products/:id', handle: forward(fetchDetails) },
    { method: 'GET', pattern: '/api/v1/products/:id/reviews', handle: forward(fetchReviews) },
    { method: 'GET', pattern: '/api/v1/products/:id/ratings', handle: forward(fetchRatings) },
  ];
}

function redirect(response: Exchange['response'], location: string): void {
  response.writeHead(302, { location, 'content-length': 0 });
  response.end();
}

async function fetchJson<T>(
  url: string,
  options: { headers: Record<string, string>; attempts: number; what: string },
): Promise<Fetched<T>> {
  const sorry = `Sorry, product ${options.what} are currently unavailable for this book.`;
  let status = 500;
  for (let attempt = 0; attempt < options.attempts; attempt++) {
    try {
      const answer = await call(url, { headers: options.headers, timeoutMs: CALL_TIMEOUT_MS });
      if (answer.status === 200) return { status: 200, value: JSON.parse(answer.body) as T };
      status = answer.status;
    } catch (error) {
      console.error(`${options.what}: ${error instanceof Error ? error.message : String(error)}`);
      status = 500;
    }
  }
  return { status, error: sorry };
}

const COOKIE = 'session';

/** A signed cookie with the user's name: enough for a demonstration, and it cannot be forged into markup or headers. */
function createSession(key: string) {
  const sign = (payload: string) => createHmac('sha256', key).update(payload).digest('base64url');
  return {
    clearCookie: `${COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax`,
    cookieFor(user: string): string {
      const payload = Buffer.from(user.slice(0, 64)).toString('base64url');
      return `${COOKIE}=${payload}.${sign(payload)}; Path=/; HttpOnly; SameSite=Lax`;
    },
    userOf(request: IncomingMessage): string | undefined {
      const cookie = request.headers.cookie?.split(/; */).find((part) => part.startsWith(`${COOKIE}=`));
      const [payload, signature] = cookie?.slice(COOKIE.length + 1).split('.') ?? [];
      if (!payload || !signature) return undefined;
      const expected = Buffer.from(sign(payload));
      const given = Buffer.from(signature);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
      const user = Buffer.from(payload, 'base64url').toString('utf8');
      return /^[\x20-\x7e]{1,64}$/.test(user) ? user : undefined;
    },
  };
}

/** Settings from the environment names that upstream's image uses. */
export function productpageSettings(env: Record<string, string | undefined>): ProductpageSettings {
  const domain = env.SERVICES_DOMAIN ? `.${env.SERVICES_DOMAIN}` : '';
  const url = (name: string) => {
    const hostname = env[`${name.toUpperCase()}_HOSTNAME`];
    return hostname === undefined
      ? `http://${name}${domain}:9080`
      : `http://${hostname}:${env[`${name.toUpperCase()}_SERVICE_PORT`] ?? 9080}`;
  };
  // A key of its own per process would sign people out whenever another replica answers; the pods of one Deployment share a name.
  const sessionKey = env.SESSION_KEY ?? env.HOSTNAME?.replace(/-[a-z0-9]+-[a-z0-9]+$/, '') ?? randomBytes(16).toString('hex');
  return { detailsUrl: url('details'), reviewsUrl: url('reviews'), ratingsUrl: url('ratings'), sessionKey };
}

if (import.meta.main) serve(createHttpApp(productpageRoutes(productpageSettings(process.env))), 9080);
