import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '@lateen/kube/types';
import { mergePrometheus } from './prometheus.ts';

function merge(annotations: Record<string, string>): { told: unknown; annotations: Record<string, string> } {
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', annotations }, spec: { containers: [] } };
  const sidecar: Container = { name: 'istio-proxy' };
  mergePrometheus(pod, sidecar, { meshConfig: {}, statusPort: 15020 });
  const value = sidecar.env?.find(({ name }) => name === 'ISTIO_PROMETHEUS_ANNOTATIONS')?.value;
  return { told: value === undefined ? undefined : JSON.parse(value), annotations: pod.metadata.annotations ?? {} };
}

const TARGETS = 'prometheus.istio.io/scrape-targets';
const cases: { name: string; annotations: Record<string, string>; told: unknown }[] = [
  { name: 'a pod that says nothing tells the agent nothing', annotations: {}, told: undefined },
  {
    name: 'the usual annotations go to the agent, in any spelling of theirs',
    annotations: { 'prometheus.io.scrape': 'true', 'prometheus-io/port': '80' },
    told: { scrape: 'true', path: '', port: '80' },
  },
  {
    name: 'several targets go there as a list, the first also as path and port',
    annotations: { 'prometheus.io/scrape': 'true', [TARGETS]: '8080:/a, 9100' },
    told: {
      scrape: 'true',
      path: '/a',
      port: '8080',
      targets: [
        { port: '8080', path: '/a' },
        { port: '9100', path: '/metrics' },
      ],
    },
  },
  {
    name: 'targets that are no port, a port of the proxy, or there already are left out',
    annotations: { [TARGETS]: 'web:/a,15020:/a,15090,70000,81:/a,81:/a' },
    told: { scrape: '', path: '/a', port: '81', targets: [{ port: '81', path: '/a' }] },
  },
];
for (const { name, annotations, told } of cases) {
  test(name, () => {
    const result = merge(annotations);
    assert.deepEqual(result.told, told);
    assert.deepEqual(result.annotations, {
      'prometheus.io/port': '15020',
      'prometheus.io/path': '/stats/prometheus',
      'prometheus.io/scrape': 'true',
    });
  });
}
