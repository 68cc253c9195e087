import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@lateen/xds/messages/proxy';
import { extension, go, one, type Request, registry, TEMPLATE, to, viewOf } from '../../testing/routes.ts';
import type { RouteRuntime } from '../model.ts';
import { compileRouteTable } from './compile.ts';

test('rewrites, redirects and direct responses', () => {
  const locations: [redirect: object, request: Request, location: string][] = [
    [{ hostRedirect: 'n:1', portRedirect: 99, stripQuery: true, pathRedirect: '/p?a=b' }, { path: '/l?z=1' }, '301 http://n:1:99/p?a=b'],
    [
      { regexRewrite: { pattern: { regex: '/m/(.*)' }, substitution: '/n/\\1' }, stripQuery: true },
      { path: '/m/u?z' },
      '301 http://a.test/n/u',
    ],
    [{ prefixRewrite: '/nn', httpsRedirect: true }, { path: '/n?b', host: 'a.test:80' }, '301 https://a.test/nn?b'],
    [{ schemeRedirect: 'ftp', responseCode: 'PERMANENT_REDIRECT' }, { path: '/x', host: 'a:81' }, '308 ftp://a:81/x'],
    [{ portRedirect: 8443 }, { path: '/x', host: '[::1]:81' }, '301 http://[::1]:8443/x'],
  ];
  for (const [redirect, request, location] of locations) {
    const { path = '/' } = request;
    assert.equal(go(one({ prefix: path.split('?', 1)[0] as string }, { redirect }), request), location);
  }
  const template = one(TEMPLATE('/o/{a}/x/{b=**}'), {
    route: {
      cluster: 'c',
      pathRewritePolicy: extension('path.rewrite.uri_template.v3.UriTemplateRewriteConfig', { pathTemplateRewrite: '/{b}/r/{a}' }),
    },
  });
  const decision = template.match(viewOf({ path: '/o/1/x/2/3?q=1' }), () => 0);
  assert.ok(decision.kind === 'forward');
  assert.equal(decision.action.rewrite?.apply('/o/1/x/2/3?q=1'), '/2/3/r/1?q=1');
});

test('weights by a header, internal redirects, retry predicates, rate limits', () => {
  const weighted = one(
    { prefix: '/' },
    {
      route: {
        weightedClusters: {
          headerName: 'x-rand',
          clusters: [
            { name: 'a', weight: 30 },
            { name: 'b', weight: 70 },
          ],
        },
      },
    },
  );
  for (const [value, expected] of [
    ['29', 'a'],
    ['130', 'b'],
    ['30', 'b'],
    ['nonsense', 'a'],
  ] as const) {
    assert.equal(go(weighted, { headers: { 'x-rand': value } }), expected, value);
  }
  const table = one(
    { prefix: '/' },
    {
      route: {
        cluster: 'c',
        internalRedirectPolicy: {
          redirectResponseCodes: [302, 307, 200],
          predicates: [extension('internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig', { allowedRouteNames: ['yes'] })],
        },
        retryPolicy: {
          retryOn: '5xx',
          retryHostPredicate: [
            extension('retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate', {}),
            extension('retry.host.omit_host_metadata.v3.OmitHostMetadataConfig', {
              metadataMatch: { filterMetadata: { 'envoy.lb': { a: 'b' } } },
            }),
          ],
          rateLimitedRetryBackOff: { resetHeaders: [{ name: 'Retry-After' }] },
        },
        rateLimits: [
          {
            actions: [
              { genericKey: { descriptorValue: 'g' } },
              { requestHeaders: { headerName: 'x-user', descriptorKey: 'user' } },
              { remoteAddress: {} },
            ],
          },
        ],
      },
    },
  );
  const view = viewOf({ headers: { 'x-user': 'u' } });
  const decision = table.match(view, () => 0);
  assert.ok(decision.kind === 'forward');
  const { internalRedirect, retry, rateLimits } = decision.action;
  assert.deepEqual([...(internalRedirect?.statuses ?? [])], [302, 307]);
  const target = { route: decision.route, visited: new Set<RouteRuntime>(), downstreamScheme: 'http', targetScheme: 'http' };
  assert.equal(
    internalRedirect?.predicates.every((holds) => holds(target)),
    false,
  );
  assert.deepEqual(
    [retry?.omitCanaryHosts, retry?.omitHostMetadata, retry?.rateLimitedBackoff],
    [true, { a: 'b' }, { headers: [{ name: 'retry-after', format: 'seconds' }], maxMs: 300_000 }],
  );
  assert.deepEqual(rateLimits[0]?.descriptor({ ...view, remoteAddress: '10.0.0.1:0', decision }, ''), [
    { key: 'generic_key', value: 'g' },
    { key: 'user', value: 'u' },
    { key: 'remote_address', value: '10.0.0.1' },
  ]);
  const anonymous = viewOf({});
  assert.equal(rateLimits[0]?.descriptor({ ...anonymous, remoteAddress: '10.0.0.1:0', decision }, ''), undefined);
});

test('what Envoy refuses is refused', () => {
  const refusals: [host: object, reason: RegExp][] = [
    [
      { routes: [{ match: { prefix: '/' }, ...to('c'), requestHeadersToAdd: [{ header: { key: ':path', value: '/' } }] }] },
      /host headers may not be modified/,
    ],
    [{ routes: [{ match: { prefix: '/' }, ...to('c'), responseHeadersToRemove: ['Host'] }] }, /host headers may not be removed/],
    [
      { routes: [{ match: { prefix: '/' }, directResponse: { status: 200, body: { inlineString: 'x'.repeat(4097) } } }] },
      /body: is 4097 bytes long/,
    ],
    [
      { routes: [{ match: { prefix: '/' }, route: { cluster: 'c', prefixRewrite: '/', regexRewrite: { pattern: { regex: 'a' } } } }] },
      /only one of prefix_rewrite/,
    ],
    [{ routes: [{ match: TEMPLATE('/a/**/*'), ...to('c') }] }, /"\*\*" must be the last operator/],
    [{ routes: [{ match: { prefix: '/' }, route: { clusterSpecifierPlugin: 'p' } }] }, /cluster_specifier_plugin: is not supported/],
  ];
  for (const [host, reason] of refusals) {
    const json = { virtualHosts: [{ name: 'v', domains: ['*'], ...host }] } as JsonValue;
    const compiled = compileRouteTable(fromJson(RouteConfigurationSchema, json, { registry }));
    assert.ok(!compiled.ok, String(reason));
    assert.match(compiled.error.join(), reason);
  }
});
