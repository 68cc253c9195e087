import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@lateen/xds/messages';
import fc from 'fast-check';
import type { RequestView } from '../model.ts';
import { compileRouteTable } from './compile.ts';
import type { CompiledRoute } from './route.ts';
import { createRuleIndex } from './rule-index.ts';

const path = fc.array(fc.constantFrom('a', 'b', 'A'), { maxLength: 3 }).map((segments) => `/${segments.join('/')}`);
const kind = fc.constantFrom('path' as const, 'prefix' as const, 'any case' as const);
const rule = fc.record({ kind, path, needsHeader: fc.boolean() });

const viewOf = (requestPath: string, hasHeader: boolean): RequestView => ({
  method: 'GET',
  path: requestPath,
  authority: 'a',
  scheme: 'http',
  header: () => (hasHeader ? '' : undefined),
  headerValues: () => [],
});

test('the index finds the rule that a scan in order finds', () => {
  fc.assert(
    fc.property(fc.array(rule, { minLength: 7, maxLength: 20 }), path, fc.boolean(), (rules, requestPath, hasHeader) => {
      const config = create(RouteConfigurationSchema, {
        virtualHosts: [
          {
            name: 'v',
            domains: ['*'],
            routes: rules.map((each, i) => ({
              match: {
                pathSpecifier: { case: each.kind === 'path' ? ('path' as const) : ('prefix' as const), value: each.path },
                caseSensitive: each.kind !== 'any case',
                headers: each.needsHeader ? [{ name: 'x' }] : [],
              },
              action: { case: 'route' as const, value: { clusterSpecifier: { case: 'cluster' as const, value: String(i) } } },
            })),
          },
        ],
      });
      const table = compileRouteTable(config);
      assert.ok(table.ok);
      const view = viewOf(requestPath, hasHeader);
      const found = table.value.match(view, () => 0);
      // `explain` tries every rule in order.
      assert.equal(found.route, table.value.explain(view, () => 0).decision.route);
    }),
  );
});

test('a request tries as many rules in a table of 4,000 as in one of 40', () => {
  const triedIn = (count: number): number => {
    let tried = 0;
    const rules = Array.from({ length: count }, (_, i) => {
      const kind = i % 2 === 0 ? ('path' as const) : ('prefix' as const);
      const literal = `/service-${i}/`;
      const path = {
        kind,
        literal,
        caseSensitive: true,
        template: undefined,
        text: '',
        test(text: string) {
          tried++;
          return kind === 'path' ? text === literal : text.startsWith(literal);
        },
      };
      return { path, conditions: [], share: { fraction: 1, runtimeKey: '' } } as unknown as CompiledRoute;
    });
    const index = createRuleIndex(rules);
    const last = rules.at(-1);
    assert.equal(
      index.find(`/service-${count - 1}/x`, viewOf('/', false), () => 0),
      last,
    );
    assert.equal(
      index.find('/nothing', viewOf('/', false), () => 0),
      undefined,
    );
    return tried;
  };
  assert.equal(triedIn(40), 1);
  assert.equal(triedIn(4000), 1);
});
