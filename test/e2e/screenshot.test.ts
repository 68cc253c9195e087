// What people see: productpage in a real browser, once with each kind of stars, as a visitor and signed in as jason.
// LATEEN_SCREENSHOTS=FOLDER keeps the pictures; otherwise they go when the test ends.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { chromiumOptions, noChromium } from '../support/chromium.ts';
import { cannotRun, type Mesh, type Rung, samples, startMesh } from '../support/mesh.ts';
import { installBookinfo } from './bookinfo-tutorial.ts';

const COLORS = { black: 'rgb(0, 0, 0)', red: 'rgb(255, 0, 0)' } as const;

/** Stars that the ratings service gives to the two reviewers. */
const RATINGS = [5, 4];

const { rung, reason } = await bestRung();

test('productpage in Chromium shows each kind of stars', {
  skip: noChromium ?? reason ?? false,
}, async (t) => {
  const mesh = await startMesh(t, { rung });
  await installBookinfo(mesh);
  for (const file of ['bookinfo-gateway', 'destination-rule-all', 'virtual-service-all-v1']) await applyRules(mesh, file);
  const url = `${await mesh.gatewayUrl()}/productpage`;
  const browser = await openBrowser(t);
  const pictures = picturesFolder(t);
  const page = await browser.newPage();
  const snap = async (name: string) => {
    const path = join(pictures, `${name}.png`);
    await page.screenshot({ path, fullPage: true });
    assert.equal(readFileSync(path).subarray(1, 4).toString(), 'PNG');
  };

  await t.test('v1: no stars', async () => {
    await eventually(async () => assert.deepEqual(await openPage(page, url), []));
    assert.ok(await page.getByText('Reviews served by: reviews-v1-').isVisible());
    await snap('1-no-stars');
  });

  await t.test('v2: black stars, as many as the ratings say', async () => {
    await pinReviews(mesh, 'v2');
    await eventually(async () => assert.deepEqual(await openPage(page, url), stars('black')));
    await snap('2-black-stars');
  });

  await t.test('v3: red stars', async () => {
    await applyRules(mesh, 'virtual-service-reviews-v3');
    await eventually(async () => assert.deepEqual(await openPage(page, url), stars('red')));
    await snap('3-red-stars');
  });

  await t.test('jason signs in through the dialog and gets black stars; signed out, none', async () => {
    await applyRules(mesh, 'virtual-service-reviews-test-v2');
    await eventually(async () => assert.deepEqual(await openPage(page, url), []));
    await page.getByRole('button', { name: 'Sign in' }).click();
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await dialog.getByLabel('User Name').fill('jason');
    await dialog.getByLabel('Password').fill('any');
    await snap('4-sign-in');
    await dialog.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('link', { name: 'sign out' }).waitFor();
    assert.ok(await page.getByText('jason', { exact: true }).isVisible());
    assert.deepEqual(await starsOn(page), stars('black'));
    await snap('5-jason');
    await page.getByRole('link', { name: 'sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await starsOn(page), []);
  });

  await t.test('without ratings the page says so instead of breaking', async () => {
    await pinReviews(mesh, 'v2');
    await mesh.kubectl(['apply', '-f', '-'], { input: ratingsFail });
    await eventually(async () => {
      await openPage(page, url);
      assert.ok(await page.getByText('Ratings service is currently unavailable').first().isVisible());
    });
    await snap('6-no-ratings');
  });
});

type RenderedRating = { filled: number; hollow: number; color: string };

const stars = (color: keyof typeof COLORS): RenderedRating[] =>
  RATINGS.map((filled) => ({ filled, hollow: 5 - filled, color: COLORS[color] }));

const ratingsFail = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ratings }
spec:
  hosts: [ratings]
  http:
    - fault: { abort: { httpStatus: 500, percentage: { value: 100 } } }
      route: [{ destination: { host: ratings, subset: v1 } }]
`;

/** Loads the page anew; its stars. */
async function openPage(page: Page, url: string): Promise<RenderedRating[]> {
  const response = await page.goto(url);
  assert.equal(response?.status(), 200);
  assert.equal(await page.getByText('Reviewer1').count(), 1, 'the page has no reviews');
  return starsOn(page);
}

/** The stars that a person sees, in the colour that the browser computed. */
async function starsOn(page: Page): Promise<RenderedRating[]> {
  const ratings = page.locator('.stars');
  const texts = await ratings.allInnerTexts();
  // A string, since the sources of the tests know no DOM types.
  const colors = await page.evaluate<string[]>(`[...document.querySelectorAll('.stars')].map((rating) => getComputedStyle(rating).color)`);
  const shown = await Promise.all((await ratings.all()).map((rating) => rating.isVisible()));
  assert.ok(shown.every(Boolean), 'some stars are hidden');
  return texts.map((text, index) => ({
    filled: text.split('★').length - 1,
    hollow: text.split('☆').length - 1,
    color: colors[index] ?? '',
  }));
}

async function pinReviews(mesh: Mesh, subset: string): Promise<void> {
  const patch = { spec: { http: [{ route: [{ destination: { host: 'reviews', subset } }] }] } };
  await mesh.kubectl(['patch', 'virtualservice', 'reviews', '--type', 'merge', '-p', JSON.stringify(patch)]);
}

async function applyRules(mesh: Mesh, name: string): Promise<void> {
  await mesh.kubectl(['apply', '-f', join(samples, `bookinfo/networking/${name}.yaml`)]);
}

/** A browser with an empty profile, closed after the test. */
async function openBrowser(t: TestContext): Promise<BrowserContext> {
  const profile = mkdtempSync(join(tmpdir(), 'lateen-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    ...chromiumOptions,
    viewport: { width: 1100, height: 720 },
  });
  t.after(async () => {
    await browser.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  });
  return browser;
}

function picturesFolder(t: TestContext): string {
  const asked = process.env.LATEEN_SCREENSHOTS;
  const folder = asked ?? mkdtempSync(join(tmpdir(), 'lateen-screenshots-'));
  mkdirSync(folder, { recursive: true });
  if (asked === undefined) t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The first rung that this machine allows: the picture is the same on each. */
async function bestRung(): Promise<{ rung: Rung; reason: string | undefined }> {
  for (const rung of ['root', 'rootless'] as const) {
    if ((await cannotRun(rung)) === undefined) return { rung, reason: undefined };
  }
  return { rung: 'proxy', reason: await cannotRun('proxy') };
}
