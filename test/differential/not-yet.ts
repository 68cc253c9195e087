// Where Lateen does not do as Envoy does. These pairs are run and shown as todo. What differs by choice, on the wire, says so in its case
// (`differs`); what differs by choice in the log only stands here, with its reason.

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

const REFUSED_IS_LOGGED = 'on purpose: Envoy does not log what its codec refuses; who is attacked wants to see it';

export const NOT_YET: readonly NotYet[] = [
  {
    scene: 'redirects',
    cases: ['GET /host [x-forwarded-proto: https]'],
    legs: ['h2-h1', 'h2-h2'],
    why: 'on purpose: the scheme of location is x-forwarded-proto in both versions of HTTP; over HTTP/2 Envoy takes :scheme, which a load balancer without TLS towards us sends as http',
  },
  {
    scene: 'internal-redirects',
    cases: ['no route'],
    onlyLog: true,
    why: 'on purpose: the log names the cluster that answered, though the redirect led nowhere',
  },
  {
    scene: 'retries',
    cases: ['a reused connection that ends'],
    legs: ['h1-h1', 'h2-h1'],
    why: 'on purpose: RFC 9110 9.2.2 lets an idempotent request go to a fresh connection when the reused one had just been closed',
  },
  {
    scene: 'broken-answers',
    cases: ['a head of 70 KiB'],
    legs: ['h2-h1'],
    why: 'fields are sent without Huffman coding, and Node.js as the client takes 64 KiB of encoded fields',
  },
  { scene: 'underscores-reject-request', cases: ['GET / [x_under: 1] [x-fine: 2]'], onlyLog: true, why: REFUSED_IS_LOGGED },
  { scene: 'framing', cases: ['content-length twice, the same'], onlyLog: true, why: REFUSED_IS_LOGGED },
  {
    scene: 'refused',
    cases: [
      'HTTP/1.0',
      'a target without slash',
      'two lengths',
      'a length that is none',
      'a negative length',
      'a length and chunks',
      'an unknown coding',
      'gzip and chunked',
      'chunked twice',
    ],
    onlyLog: true,
    why: REFUSED_IS_LOGGED,
  },
  {
    scene: 'chunked-length',
    cases: [
      'two equal lengths and chunks',
      'two lengths and chunks',
      'a length and another coding',
      'a length and no coding',
      'a length and chunks twice',
    ],
    onlyLog: true,
    why: REFUSED_IS_LOGGED,
  },
  {
    scene: 'no-absolute-url',
    cases: ['GET x', 'GET abs.test:80', 'GET ?x', 'GET http:/x', 'GET ://x'],
    onlyLog: true,
    why: REFUSED_IS_LOGGED,
  },
  { scene: 'refused', cases: ['an endless chunk size'], onlyLog: true, why: 'on purpose: the log says what was wrong with the codec' },
];

/** Why a pair may differ, on the wire and in the log. */
export function notYet(scene: Scene, one: Case, leg: Leg): NotYet | undefined {
  return NOT_YET.find(
    (row) => row.scene === scene.name && (!row.cases || row.cases.includes(one.name)) && (!row.legs || row.legs.includes(leg)),
  );
}
