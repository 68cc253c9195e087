// Bookinfo "reviews". Version 1 shows no stars; version 2 asks "ratings" and shows black stars; version 3 shows red ones.
// The version comes with the image, by way of the environment that the catalogue sets.

import { hostname as osHostname } from 'node:os';
import { createHttpApp, type Route, sendJson, serve } from '../../../src/http-app.ts';
import { call, forwardedHeaders } from '../../../src/upstream-call.ts';

export type ReviewsSettings = {
  /** Undefined: ratings are not asked for. */
  starColor: string | undefined;
  ratingsUrl: string;
  podName: string;
  clusterName: string;
};

type Rating = { stars: number; color: string } | { error: string };
export type Review = { reviewer: string; text: string; rating?: Rating };

const REVIEWS: Review[] = [
  { reviewer: 'Reviewer1', text: 'Two pairs of twins, one city, and not a dull page. I laughed out loud on the train.' },
  { reviewer: 'Reviewer2', text: 'Light as a feather and over too soon. Not his deepest play, but surely his quickest.' },
];

export function reviewsRoutes(settings: ReviewsSettings): Route[] {
  return [
    { method: 'GET', pattern: '/health', handle: ({ response }) => sendJson(response, 200, { status: 'Reviews is healthy' }) },
    {
      method: 'GET',
      pattern: '/reviews/:id',
      handle: async ({ request, response, params }) => {
        const id = params.id as string;
        if (!/^\d{1,9}$/.test(id)) return sendJson(response, 400, { error: 'please provide numeric product ID' });
        const ratingOf = settings.starColor === undefined ? undefined : await askRatings(id, settings, forwardedHeaders(request.headers));
        const reviews = REVIEWS.map((review) => (ratingOf ? { ...review, rating: ratingOf(review.reviewer) } : review));
        sendJson(response, 200, { id, podname: settings.podName, clustername: settings.clusterName, reviews });
      },
    },
  ];
}

async function askRatings(id: string, settings: ReviewsSettings, headers: Record<string, string>): Promise<(reviewer: string) => Rating> {
  const color = settings.starColor as string;
  // Version 2 is patient, version 3 is not: the fault-injection tutorial depends on the difference.
  const timeoutMs = color === 'black' ? 10_000 : 2_500;
  try {
    const { status, body } = await call(`${settings.ratingsUrl}/ratings/${id}`, { headers, timeoutMs });
    if (status !== 200) throw new Error(`ratings answered ${status}`);
    const { ratings } = JSON.parse(body) as { ratings: Record<string, number> };
    return (reviewer) => ({ stars: ratings[reviewer] ?? 0, color });
  } catch (error) {
    console.error(`ratings: ${error instanceof Error ? error.message : String(error)}`);
    return () => ({ error: 'Ratings service is currently unavailable' });
  }
}

/** Settings from the environment names that upstream's image uses. */
export function reviewsSettings(env: Record<string, string | undefined>): ReviewsSettings {
  const domain = env.SERVICES_DOMAIN ? `.${env.SERVICES_DOMAIN}` : '';
  const hostname = env.RATINGS_HOSTNAME;
  return {
    starColor: env.ENABLE_RATINGS === 'true' ? (env.STAR_COLOR ?? 'black') : undefined,
    ratingsUrl: hostname === undefined ? `http://ratings${domain}:9080` : `http://${hostname}:${env.RATINGS_SERVICE_PORT ?? 9080}`,
    podName: env.HOSTNAME ?? osHostname(),
    clusterName: env.CLUSTER_NAME ?? 'null',
  };
}

if (import.meta.main) serve(createHttpApp(reviewsRoutes(reviewsSettings(process.env))), 9080);
