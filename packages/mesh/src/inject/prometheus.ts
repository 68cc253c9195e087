// Metrics merging: Prometheus scrapes the agent's port, and the agent scrapes the application where its annotations said.

import type { Container, Pod } from '@lateen/kube/types';
import { parseGoBool } from './annotations.ts';
import type { Values } from './values.ts';

// Prometheus reads any spelling that becomes the same label name: prometheus.io/scrape, prometheus.io.scrape, …
const labelName = (annotation: string): string => annotation.replace(/[^a-zA-Z0-9_]/g, '_');

function annotationLike(annotations: Record<string, string>, name: string): string | undefined {
  return Object.entries(annotations).find(([key]) => labelName(key) === name)?.[1];
}

/** Points the pod's prometheus.io annotations at the agent and keeps what they said for it. Changes pod and sidecar in place. */
export function mergePrometheus(
  pod: Pod,
  sidecar: Container | undefined,
  { meshConfig, statusPort }: { meshConfig: Values; statusPort: number },
): void {
  const annotations = pod.metadata.annotations ?? {};
  const scrape = annotationLike(annotations, 'prometheus_io_scrape');
  const port = annotationLike(annotations, 'prometheus_io_port');
  const path = annotationLike(annotations, 'prometheus_io_path');
  if (parseGoBool(scrape ?? 'true') === false || !isMergeEnabled(annotations, meshConfig)) return;
  if (port === String(statusPort)) return; // already ours
  if (sidecar && (scrape || port || path)) {
    const value = JSON.stringify({ scrape: scrape ?? '', path: path ?? '', port: port ?? '' });
    sidecar.env = [...(sidecar.env ?? []), { name: 'ISTIO_PROMETHEUS_ANNOTATIONS', value }];
  }
  pod.metadata.annotations = {
    ...withoutPrometheusAnnotations(annotations),
    'prometheus.io/port': String(statusPort),
    'prometheus.io/path': '/stats/prometheus',
    'prometheus.io/scrape': 'true',
  };
}

function isMergeEnabled(annotations: Record<string, string>, meshConfig: Values): boolean {
  const own = parseGoBool(annotations['prometheus.istio.io/merge-metrics'] ?? '');
  return own ?? meshConfig['enablePrometheusMerge'] !== false;
}

const OURS = new Set(['prometheus_io_scrape', 'prometheus_io_port', 'prometheus_io_path']);

export function withoutPrometheusAnnotations(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !OURS.has(labelName(key))));
}

export const prometheusPortOf = (annotations: Record<string, string>): string | undefined =>
  annotationLike(annotations, 'prometheus_io_port');
