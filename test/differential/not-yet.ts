// What Lateen does not do as Envoy does yet. These pairs are run and shown as todo; a row goes when its owner has built the thing.

import type { Case, Leg, Scene } from './model.ts';

export type NotYet = {
  scene: string;
  /** Names of cases. Default: all of the scene. */
  cases?: readonly string[];
  legs?: readonly Leg[];
  /** Only what is logged differs. */
  onlyLog?: boolean;
  why: string;
};

export const NOT_YET: readonly NotYet[] = [
  {
    scene: 'redirects',
    cases: ['GET /host [x-forwarded-proto: https]'],
    legs: ['h2-h1', 'h2-h2'],
    why: 'the scheme of location over HTTP/2 is that of :scheme; HEAD keeps transfer-encoding',
  },
  {
    scene: 'redirects',
    cases: ['HEAD /https'],
    legs: ['h1-h1', 'h1-h2'],
    why: 'the scheme of location over HTTP/2 is that of :scheme; HEAD keeps transfer-encoding',
  },
  {
    scene: 'internal-redirects',
    cases: ['no route'],
    onlyLog: true,
    why: 'no cluster in the log when an internal redirect finds no route',
  },
  {
    scene: 'retries',
    cases: ['a reused connection that ends'],
    legs: ['h1-h1', 'h2-h1'],
    why: 'no trailers to or from HTTP/1.1 unless enabled; a rate-limited answer that stays so; the stale-connection retry',
  },
  {
    scene: 'retries',
    cases: ['5xx: POST and trailers', 'gRPC status in trailers'],
    legs: ['h2-h1'],
    why: 'no trailers to or from HTTP/1.1 unless enabled; a rate-limited answer that stays so; the stale-connection retry',
  },
  {
    scene: 'retries',
    cases: ['rate limited'],
    why: 'no trailers to or from HTTP/1.1 unless enabled; a rate-limited answer that stays so; the stale-connection retry',
  },
  {
    scene: 'failing-upstreams',
    cases: ['GET /refused', 'GET /no-requests', 'GET /refused-retried', 'refused gRPC', 'refused HEAD'],
    why: 'the body says no more than the reset reason; max_requests 0',
  },
  { scene: 'broken-answers', cases: ['a head of 70 KiB'], why: 'response heads may have 80 KiB; no trailers from HTTP/1.1 unless enabled' },
  {
    scene: 'broken-answers',
    cases: ['trailers'],
    legs: ['h2-h1'],
    why: 'response heads may have 80 KiB; no trailers from HTTP/1.1 unless enabled',
  },
  { scene: 'paths-normalized', cases: ['GET /a%00b'], onlyLog: true, why: 'flags of refused paths' },
  { scene: 'paths-normalized-and-merged', cases: ['GET /a%00b'], onlyLog: true, why: 'flags of refused paths' },
  {
    scene: 'escaped-slashes-reject-request',
    cases: ['GET /a%2fb', 'GET /a%2Fb?x=%2f', 'GET /a%5Cb', 'GET /a%5cb', 'GET /a/%2f..%2fexact', 'GET /a%2f%2fb'],
    onlyLog: true,
    why: 'flags of refused paths',
  },
  {
    scene: 'escaped-slashes-unescape-and-redirect',
    cases: ['GET /a%2fb', 'GET /a%2Fb?x=%2f', 'GET /a%5Cb', 'GET /a%5cb', 'GET /a/%2f..%2fexact', 'GET /a%2f%2fb'],
    onlyLog: true,
    why: 'details of redirected paths',
  },
  { scene: 'host-ports', cases: ['GET //shop.test: /'], why: 'a host that ends in a colon keeps it' },
  { scene: 'underscores-reject-request', cases: ['GET / [x_under: 1] [x-fine: 2]'], onlyLog: true, why: 'refused names are a codec error' },
  {
    scene: 'upgrades',
    cases: ['websocket', 'WebSocket in other letters', 'another kind, allowed by the route', 'POST'],
    why: 'letters of Upgrade are kept; flags at the end',
  },
  {
    scene: 'bodies',
    cases: ['chunked answer to HEAD'],
    legs: ['h1-h1', 'h1-h2'],
    why: 'an answer to HEAD keeps transfer-encoding: chunked',
  },
  {
    scene: 'trailers-off',
    cases: ['of a request', 'of an answer', 'gRPC'],
    legs: ['h2-h1'],
    why: 'no trailers to or from HTTP/1.1 unless enabled',
  },
  {
    scene: 'framing',
    cases: ['OPTIONS *', 'content-length twice, the same'],
    onlyLog: true,
    why: 'requests that the codec refuses are not logged by Envoy',
  },
  {
    scene: 'refused',
    cases: [
      'no host',
      'HTTP/1.0',
      'a target without slash',
      'two lengths',
      'a length that is none',
      'a negative length',
      'a length and chunks',
      'an unknown coding',
      'gzip and chunked',
      'chunked twice',
      'an endless chunk size',
    ],
    onlyLog: true,
    why: 'requests that the codec refuses are not logged by Envoy',
  },
  { scene: 'health-check', cases: ['HEAD /healthz'], legs: ['h1-h1', 'h1-h2'], why: 'an answer to HEAD keeps transfer-encoding: chunked' },
  { scene: 'grpc-stats-and-web', why: 'refused: envoy.extensions.filters.http.grpc_web.v3.GrpcWeb is not supported here' },
];

/** Why a pair may differ, on the wire and in the log. */
export function notYet(scene: Scene, one: Case, leg: Leg): NotYet | undefined {
  return NOT_YET.find(
    (row) => row.scene === scene.name && (!row.cases || row.cases.includes(one.name)) && (!row.legs || row.legs.includes(leg)),
  );
}
