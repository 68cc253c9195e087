// The control plane's other peer: real Envoy takes what common configurations become. Istio's own filters, which a plain Envoy does
// not have, are left out; what would come by ADS stands in the bootstrap file.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type DescMessage, type Message, toJson } from '@bufbuild/protobuf';
import { isObject } from '@lateen/base';
import * as messages from '@lateen/xds/messages';
import { envoyBinary, noEnvoy } from '../support/envoy.ts';
import { run } from '../support/run.ts';
import { registry } from '../support/xds-registry.ts';
import { CONFIGURATIONS, SCOPES, translated } from './common-configurations.ts';

type Json = Record<string, unknown>;
const folder = mkdtempSync(join(tmpdir(), 'lateen-envoy-'));
after(() => rmSync(folder, { recursive: true }));

for (const [name, yaml] of Object.entries(CONFIGURATIONS)) {
  test(`${name}: Envoy takes it`, { skip: noEnvoy ?? false }, async () => {
    for (const scope of SCOPES) {
      const file = join(folder, 'bootstrap.json');
      writeFileSync(file, bootstrapOf(translated(yaml, scope, { hasIstioFilters: false })));
      const { code, stdout, stderr } = await run(envoyBinary, ['--mode', 'validate', '--log-level', 'error', '-c', file]);
      assert.equal(code, 0, `${scope.type}: ${stdout}${stderr}`);
    }
  });
}

/** The parts as one file. What writes to the standard output would need one that is not a pipe. */
function bootstrapOf({ listeners, routes, clusters, endpoints }: ReturnType<typeof translated>): string {
  const json = (schema: DescMessage, message: Message) => toJson(schema, message, { registry }) as Json;
  const routeOf = new Map(routes.map((each) => [each.name, { ...json(messages.RouteConfigurationSchema, each), validateClusters: false }]));
  const endpointsOf = new Map(endpoints.map((each) => [each.clusterName, json(messages.ClusterLoadAssignmentSchema, each)]));
  const withRoutes = (_: string, value: unknown): unknown => {
    if (!isObject(value) || !isObject(value['rds'])) return value;
    const { rds, ...rest } = value;
    return { ...rest, routeConfig: routeOf.get(String(value['rds']['routeConfigName'])) };
  };
  const staticResources = {
    listeners: listeners.map((each) => json(messages.ListenerSchema, each)),
    clusters: clusters.map((each) => {
      const { edsClusterConfig, ...rest } = json(messages.ClusterSchema, each);
      return edsClusterConfig
        ? { ...rest, type: 'STATIC', loadAssignment: endpointsOf.get(each.name) ?? { clusterName: each.name } }
        : rest;
    }),
  };
  return JSON.stringify({ staticResources }, withRoutes).replaceAll('/dev/stdout', '/dev/null');
}
