// What Istio's users commonly write must not be refused by the proxy: one refused resource refuses the whole push.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCluster, compileEndpoints, compileListener, compileRouteTable } from '@lateen/proxy/runtime';
import { CONFIGURATIONS, SCOPES, translated } from './common-configurations.ts';

for (const [name, yaml] of Object.entries(CONFIGURATIONS)) {
  test(`${name}: the proxy takes it`, () => {
    for (const scope of SCOPES) {
      const { listeners, routes, clusters, endpoints } = translated(yaml, scope);
      const results = [
        ...listeners.map((one) => compileListener(one)),
        ...routes.map(compileRouteTable),
        ...clusters.map(compileCluster),
        ...endpoints.map(compileEndpoints),
      ];
      assert.deepEqual(
        results.flatMap((result) => (result.ok ? [] : result.error)),
        [],
        scope.type,
      );
    }
  });
}
