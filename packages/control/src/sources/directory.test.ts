import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '@lateen/base';
import type { ObjectChange } from '@lateen/mesh';
import { createDirectorySource } from './directory.ts';

const FILES = {
  'ingress.yaml': `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: i }
spec: { ingressClassName: istio }
`,
  'service-entry.yaml': `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: e }
spec: { hosts: ['*.example.com'], resolution: DYNAMIC_DNS, ports: [{ number: 80, name: http, protocol: HTTP }] }
`,
  'mesh.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: '{ discoverySelectors: [{ matchLabels: { mesh: "on" } }], accessLogFile: /dev/stdout }' }
`,
};

test('what has no effect is logged when there is no webhook to warn, and the rest is served', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lateen-directory-'));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);
  const lines: string[] = [];
  const logger = createLogger({ write: (line) => void lines.push(line) });
  const source = createDirectorySource({ directory, clusterId: 'c', logger });
  t.after(async () => {
    await source.close();
    rmSync(directory, { recursive: true });
  });
  const changes: ObjectChange[] = [];
  let accessLogFile = '';
  await source.start({
    change: (more) => void changes.push(...more),
    setMeshConfig(mesh) {
      accessLogFile = mesh.accessLogFile;
    },
  });
  const kinds = changes.map(({ object }) => object.kind).sort();
  assert.deepEqual(kinds, ['ConfigMap', 'Ingress', 'ServiceEntry']);
  assert.equal(accessLogFile, '/dev/stdout');
  const gaps = lines.filter((line) => line.includes('LAT0210'));
  assert.deepEqual(
    ['Ingress', 'DYNAMIC_DNS', 'discoverySelectors'].filter((what) => !gaps.some((line) => line.includes(what))),
    [],
    lines.join(''),
  );
  assert.equal(gaps.length, 3);
});
