import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { runApp } from '../../src/running-app.ts';
import { detailsRoutes } from './details/details.ts';
import { productpageRoutes } from './productpage/productpage.ts';
import { ratingsRoutes } from './ratings/ratings.ts';
import { reviewsRoutes } from './reviews/reviews.ts';

type Setup = { starColor?: string; ratings?: boolean; details?: boolean };

async function runBookinfo(context: TestContext, { starColor, ratings = true, details = true }: Setup) {
  const nowhere = 'http://127.0.0.1:1';
  const ratingsUrl = ratings ? await runApp(context, ratingsRoutes()) : nowhere;
  const reviewsUrl = await runApp(context, reviewsRoutes({ starColor, ratingsUrl, podName: 'reviews-pod', clusterName: 'null' }));
  const detailsUrl = details ? await runApp(context, detailsRoutes) : nowhere;
  const page = await runApp(context, productpageRoutes({ detailsUrl, reviewsUrl, ratingsUrl, sessionKey: 'k' }));
  return { page, ratingsUrl };
}

const pageText = async (base: string, headers: Record<string, string> = {}) => (await fetch(`${base}/productpage`, { headers })).text();

test('the page shows details and reviews, with stars of the version that answered', async (t) => {
  const cases = [
    { starColor: undefined, expected: /^((?!class="stars").)*$/s },
    { starColor: 'black', expected: /style="color:black"[^>]*aria-label="5 of 5 black stars">★★★★★</ },
    { starColor: 'red', expected: /style="color:red"[^>]*aria-label="4 of 5 red stars">★★★★☆</ },
  ];
  for (const { starColor, expected } of cases) {
    await t.test(`stars: ${starColor ?? 'none'}`, async (context) => {
      const { page } = await runBookinfo(context, starColor === undefined ? {} : { starColor });
      const text = await pageText(page);
      assert.match(text, /<title>Simple Bookstore App<\/title>/);
      assert.match(text, /The Comedy of Errors/);
      assert.match(text, /PublisherA/);
      assert.match(text, /Reviewer1/);
      assert.match(text, expected);
    });
  }
});

test('a service that is away leaves its part of the page with a message', async (t) => {
  const { page } = await runBookinfo(t, { starColor: 'black', ratings: false, details: false });
  const text = await pageText(page);
  assert.match(text, /Error fetching product details!/);
  assert.match(text, /Ratings service is currently unavailable/);
});

test('signing in sets end-user on the calls and shows the name; signing out ends both', async (t) => {
  const seen: (string | undefined)[] = [];
  const spy = await runApp(t, [
    {
      method: 'GET',
      pattern: '/reviews/:id',
      handle: ({ request, response }) => {
        seen.push(request.headers['end-user'] as string | undefined);
        response.end('{"reviews":[]}');
      },
    },
  ]);
  const page = await runApp(t, productpageRoutes({ detailsUrl: spy, reviewsUrl: spy, ratingsUrl: spy, sessionKey: 'k' }));
  const login = await fetch(`${page}/login`, { method: 'POST', body: new URLSearchParams({ username: 'jason' }), redirect: 'manual' });
  assert.equal(login.status, 302);
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0] as string;
  assert.match(await pageText(page, { cookie }), /<span id="user">jason<\/span>/);
  assert.doesNotMatch(await pageText(page, { cookie: `${cookie}x` }), /jason/);
  assert.deepEqual(seen, ['jason', undefined]);
  const logout = await fetch(`${page}/logout`, { redirect: 'manual', headers: { cookie } });
  assert.match(logout.headers.getSetCookie()[0] as string, /Max-Age=0/);
});

test('a user name cannot become markup or a header', async (t) => {
  const { page } = await runBookinfo(t, {});
  for (const username of ['<script>alert(1)</script>', 'a\r\nx: y']) {
    const login = await fetch(`${page}/login`, { method: 'POST', body: new URLSearchParams({ username }), redirect: 'manual' });
    const cookie = login.headers.getSetCookie()[0]?.split(';')[0] as string;
    assert.doesNotMatch(await pageText(page, { cookie }), /<script>alert|x: y/);
  }
});

test('ratings can be set, and bad ones are refused', async (t) => {
  const { ratingsUrl } = await runBookinfo(t, {});
  const post = (id: string, body: string) => fetch(`${ratingsUrl}/ratings/${id}`, { method: 'POST', body });
  assert.equal((await post('7', '{"Reviewer1":1}')).status, 200);
  assert.deepEqual(await (await fetch(`${ratingsUrl}/ratings/7`)).json(), { id: 7, ratings: { Reviewer1: 1 } });
  assert.equal((await post('7', '[1]')).status, 400);
  assert.equal((await post('7', '{')).status, 400);
  assert.equal((await post('x', '{}')).status, 400);
});
