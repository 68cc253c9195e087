// Metrics merging: Prometheus scrapes the agent's port, and the agent scrapes the application where its annotations said.

import type { Container, Pod } from '@lateen/kube/types';
import { parseGoBool } from './annotations.ts';
import type { Values } from './values.ts';

const TARGETS = 'prometheus.istio.io/scrape-targets';

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
  if (parseGoBool(scrape ?? 'true') === false || !isMergeEnabled(annotations, meshConfig)) return;
  if (prometheusPortOf(annotations) === String(statusPort)) return; // already ours
  const scraped = scrapeConfiguration(annotations, statusPort);
  if (sidecar && scraped !== undefined) {
    sidecar.env = [...(sidecar.env ?? []), { name: 'ISTIO_PROMETHEUS_ANNOTATIONS', value: JSON.stringify(scraped) }];
  }
  pod.metadata.annotations = {
    ...withoutPrometheusAnnotations(annotations),
    'prometheus.io/port': String(statusPort),
    'prometheus.io/path': '/stats/prometheus',
    'prometheus.io/scrape': 'true',
  };
}

type Target = { port: string; path: string };
type ScrapeConfiguration = { scrape: string; path: string; port: string; targets?: Target[] };

/** What the agent is to scrape. Several targets come with the first of them in the older fields. */
function scrapeConfiguration(annotations: Record<string, string>, statusPort: number): ScrapeConfiguration | undefined {
  const [scrape = '', path = '', port = ''] = ['scrape', 'path', 'port'].map((name) =>
    annotationLike(annotations, `prometheus_io_${name}`),
  );
  const targets = parseTargets(annotations[TARGETS] ?? '', statusPort);
  const [first] = targets;
  if (first) return { scrape, path: first.path, port: first.port, targets };
  return scrape || path || port ? { scrape, path, port } : undefined;
}

// Ports of the proxy itself: scraping those would count its metrics twice, or never end.
const RESERVED_PORTS = new Set([15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090]);

/** "8080:/metrics,9100:/other"; what names no usable port is left out. */
function parseTargets(text: string, statusPort: number): Target[] {
  const targets = new Map<string, Target>();
  for (const entry of text.split(',')) {
    const [, port, path] = /^(\d{1,5})(?::(\/\S*)?)?$/.exec(entry.trim()) ?? [];
    if (port === undefined || Number(port) < 1 || Number(port) > 65535) continue;
    if (Number(port) === statusPort || RESERVED_PORTS.has(Number(port))) continue;
    const target = { port, path: path ?? '/metrics' };
    targets.set(`${target.port}${target.path}`, target);
  }
  return [...targets.values()];
}

function isMergeEnabled(annotations: Record<string, string>, meshConfig: Values): boolean {
  const own = parseGoBool(annotations['prometheus.istio.io/merge-metrics'] ?? '');
  return own ?? meshConfig['enablePrometheusMerge'] !== false;
}

const OURS = new Set(['prometheus_io_scrape', 'prometheus_io_port', 'prometheus_io_path', labelName(TARGETS)]);

export function withoutPrometheusAnnotations(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !OURS.has(labelName(key))));
}

export const prometheusPortOf = (annotations: Record<string, string>): string | undefined =>
  annotationLike(annotations, 'prometheus_io_port');
