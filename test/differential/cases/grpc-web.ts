// gRPC-Web: requests of browsers that become gRPC, and answers that go back with their trailers in the body.

import type { Case, Headers, Leg, Request, Scene, UpstreamOrder } from '../model.ts';
import { ANY, ask, exact, filter, raw, says, to } from './build.ts';

const frame = (payload: string, flags = '\0') => `${flags}\0\0\0${String.fromCharCode(payload.length)}${payload}`;
const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

const HELLO = frame('hello');
const GRPC = { 'content-type': 'application/grpc' };
const OK: UpstreamOrder = { headers: GRPC, body: frame('reply'), trailers: { 'grpc-status': '0', 'grpc-message': 'fine' } };

const call = (contentType: string, more: Request = {}): Request => ({
  method: 'POST',
  path: '/pkg.Service/Method',
  ...(!more.chunks && { body: contentType.includes('-text') ? base64(HELLO) : HELLO }),
  upstream: OK,
  ...more,
  headers: { 'content-type': contentType, 'x-grpc-web': '1', ...more.headers },
});
const binary = (more: Request = {}) => call('application/grpc-web+proto', more);
const text = (more: Request = {}) =>
  call('application/grpc-web-text', { ...more, headers: { accept: 'application/grpc-web-text', ...more.headers } });
const answered = (upstream: UpstreamOrder, name = JSON.stringify(upstream)) => [
  ask(`binary: ${name}`, binary({ upstream })),
  ask(`text: ${name}`, text({ upstream }), { legs: HTTP2_UPSTREAM }),
];
const bodies = (name: string, body: string | readonly string[], more: Partial<Case> = {}) =>
  ask(name, text(typeof body === 'string' ? { body } : { chunks: body }), more);

/** The body comes behind the head, so that both programs have opened the request upstream. */
const late = (name: string, body: string, more: Partial<Case> = {}) => {
  const head = 'POST /pkg.Service/Method HTTP/1.1\r\nhost: example.test\r\n{tag}content-type: application/grpc-web-text\r\n';
  return raw(name, [`${head}content-length: ${body.length}\r\n\r\n`, body], { legs: ['h1-h2'], ...more });
};

const TYPES = [
  'application/grpc-web',
  'application/grpc-web+proto',
  'application/grpc-web-text',
  'application/grpc-web-text+proto',
  'application/grpc-web+json',
  'application/grpc-web; charset=utf-8',
  'Application/grpc-web',
  'application/grpc',
  'text/plain',
];
/** Envoy never ends a text answer without trailers, and drops those of HTTP/1.1. */
const HTTP2_UPSTREAM: readonly Leg[] = ['h1-h2', 'h2-h2'];
const accept = (value: string): Headers => ({ accept: value });

export const grpcWeb: readonly Scene[] = [
  {
    name: 'grpc-web-types',
    filters: [filter('grpc_web', {}, 'GrpcWeb')],
    routes: [to(ANY, 'a')],
    cases: [
      ...TYPES.map((type) => ask(`content-type ${type}`, call(type))),
      ...TYPES.map((type) =>
        ask(`text accepting ${type}`, call('application/grpc-web-text', { headers: accept(type) }), { legs: HTTP2_UPSTREAM }),
      ),
      ask('binary accepting text', call('application/grpc-web', { headers: accept('application/grpc-web-text+proto') }), {
        legs: HTTP2_UPSTREAM,
      }),
      ask('accepting two', call('application/grpc-web-text', { headers: accept('application/grpc-web-text, */*') })),
      ask('GET', binary({ method: 'GET' })),
      ask('without a body', binary({ body: '' })),
      ask('text without a body', text({ body: '' }), { legs: HTTP2_UPSTREAM }),
      ask('encodings asked for', binary({ headers: { 'grpc-accept-encoding': 'gzip' } })),
      ask('te of the client', binary({ headers: { te: 'gzip' } })),
      ask('request trailers', binary({ chunks: [HELLO], trailers: { 'x-t': '1' } })),
      ask('a path of one word', binary({ path: '/other' })),
      ask('metadata', binary({ headers: { 'x-user-agent': 'grpc-web-javascript/0.1', 'grpc-timeout': '5S', 'x-meta-bin': 'AAEC' } })),
    ],
  },
  {
    name: 'grpc-web-base64',
    legs: HTTP2_UPSTREAM,
    filters: [filter('grpc_web', {}, 'GrpcWeb')],
    routes: [to(ANY, 'a')],
    cases: [
      bodies('no padding', base64(frame('a'))),
      bodies('two bytes of padding', base64(frame('ab'))),
      bodies('one byte of padding', base64(frame('abc'))),
      bodies('two messages in one', base64(frame('one') + frame('two'))),
      bodies('a quantum in pieces', [base64(HELLO).slice(0, 3), base64(HELLO).slice(3, 5), base64(HELLO).slice(5)]),
      bodies('each byte alone', base64(HELLO).split('')),
    ],
  },
  {
    name: 'grpc-web-odd-base64',
    filters: [filter('grpc_web', {}, 'GrpcWeb')],
    routes: [to(ANY, 'a')],
    cases: [
      late('a missing byte', base64(HELLO).slice(0, -1)),
      late('padding left out', base64(frame('ab')).replaceAll('=', '')),
      late('one byte', 'A'),
      late('letters out of the alphabet', 'AAAA*AAA'),
      late('the alphabet of URLs', 'AAA-AA_A'),
      late('a line break', 'AAAA\r\nAAAAAA'),
      late('padding within', 'A=AA'),
      late('padding first', '===='),
      late('three bytes of padding', 'A==='),
      late('bits left over', 'AB=='),
      late('bits left over of two', 'ABB='),
      late('two messages, each padded', base64(frame('hello')) + base64(frame('you')), {
        differs: 'each message may be encoded by itself, however they arrive; Envoy takes padding only at the end of what it has read',
      }),
      late('binary', HELLO.padEnd(12, '\0')),
    ],
  },
  {
    name: 'grpc-web-answers',
    filters: [filter('grpc_web', {}, 'GrpcWeb')],
    routes: [
      says(exact('/direct'), 200, 'direct'),
      says(exact('/direct-error'), 503, 'sorry ~ all 100% busy'),
      says(exact('/direct-empty'), 503),
      to(exact('/nobody'), 'nobody'),
      to(ANY, 'a', { timeout: '0.5s' }),
    ],
    clusters: { nobody: { load_assignment: { cluster_name: 'x', endpoints: [] } } },
    cases: [
      ...answered({ headers: GRPC, body: frame('one') + frame('two2') + frame(''), trailers: { 'grpc-status': '0' } }),
      ...answered({
        headers: GRPC,
        body: frame('one'),
        trailers: { 'grpc-status': '0', 'x-other': 'a: b', 'grpc-status-details-bin': 'CAU' },
      }),
      ...answered({ headers: { ...GRPC, 'grpc-status': '7', 'grpc-message': 'no' }, body: '' }),
      ...answered({ headers: { ...GRPC, 'grpc-status': '0' }, body: '' }),
      ...answered({ headers: GRPC, body: '' }),
      ...answered({ headers: { 'content-type': 'application/grpc+proto' }, body: frame('x'), trailers: { 'grpc-status': '0' } }),
      ...answered({ headers: { 'content-type': 'application/grpc; charset=utf-8' }, body: frame('x'), trailers: { 'grpc-status': '0' } }),
      ...answered({ headers: { 'content-type': 'Application/grpc-web ; x=y' }, body: frame('x'), trailers: { 'grpc-status': '0' } }),
      ask('an answer of gRPC-Web', binary({ upstream: { headers: { 'content-type': 'application/grpc-web+proto' }, body: frame('x') } })),
      ...answered({ status: 500, body: ' ~|}%' }),
      ...answered({ status: 200, body: 'plain' }),
      ...answered({ status: 404, body: 'not 100% found\r\n' }),
      ...answered({ status: 503, headers: GRPC, body: 'down' }),
      ...answered({ status: 503, body: '' }),
      ...answered({ status: 500, body: 'with trailers', trailers: { 'x-trailer': '1' } }),
      ...answered({ status: 400, isChunked: true, body: 'chunked' }),
      ...answered({ status: 401, body: 'x'.repeat(20_000) }, 'a long body'),
      ...answered({ status: 429, body: 'ü' }),
      ...answered({ status: 204 }),
      ...answered({ status: 302, headers: { location: '/elsewhere' }, body: 'go' }),
      ...answered({ resets: 1 }),
      ...answered({ delayMs: 800 }),
      ...['/direct', '/direct-error', '/direct-empty', '/nobody'].flatMap((path) => [
        ask(`binary to ${path}`, binary({ path, body: '' })),
        ask(`text to ${path}`, text({ path, body: '' })),
      ]),
      ask('gRPC to /direct-error', call('application/grpc', { path: '/direct-error', body: '' })),
      ask('HEAD', binary({ method: 'HEAD', body: '', upstream: { headers: GRPC } }), { legs: ['h1-h1', 'h1-h2', 'h2-h2'] }),
    ],
  },
  {
    name: 'grpc-web-among-others',
    filters: [
      filter('buffer', { max_request_bytes: 1000 }, 'Buffer'),
      filter('grpc_web', {}, 'GrpcWeb'),
      filter('grpc_stats', { emit_filter_state: true }, 'FilterConfig'),
      filter('fault', { delay: { fixed_delay: '0.02s', percentage: { numerator: 100 } } }, 'HTTPFault'),
    ],
    routes: [
      to(
        exact('/off'),
        'a',
        {},
        {
          typed_per_filter_config: {
            'envoy.filters.http.grpc_web': {
              '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
              disabled: true,
              config: {},
            },
          },
        },
      ),
      to(ANY, 'a'),
    ],
    legs: HTTP2_UPSTREAM,
    cases: [
      ask('binary', binary()),
      ask('text', text()),
      ask('text in pieces', text({ chunks: base64(HELLO).split('') })),
      ask('switched off', binary({ path: '/off' })),
    ],
  },
];
