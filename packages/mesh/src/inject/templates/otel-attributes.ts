// OTEL_RESOURCE_ATTRIBUTES: what OpenTelemetry's conventions for Kubernetes say about the pod's service, for the proxy's spans.
// https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/

import { isObject } from '@lateen/base';
import type { Container, TemplateMeta } from '@lateen/kube/types';
import { type Values, valueAt } from '../values.ts';

export type OtelSource = { meshConfig: Values; metadata: TemplateMeta; namespace: string; containers: readonly Container[] };

/** The variable's value; empty unless a tracing provider of the mesh asks for enrichment. It uses POD_NAME and POD_NAMESPACE. */
export function otelResourceAttributes(source: OtelSource): string {
  const { extensionProviders } = source.meshConfig;
  const isWanted = (provider: unknown): boolean =>
    isObject(provider) && valueAt(provider, 'opentelemetry.serviceAttributeEnrichment') === 'OTEL_SEMANTIC_CONVENTIONS';
  if (!Array.isArray(extensionProviders) || !extensionProviders.some(isWanted)) return '';
  return Object.entries(attributesOf(source))
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name}=${text}`)
    .join(',');
}

function attributesOf({ metadata, namespace: given, containers: all }: OtelSource): Record<string, string> {
  const annotated = (name: string): string => encode(metadata.annotations?.[`resource.opentelemetry.io/${name}`] ?? '');
  const containers = all.filter(({ name }) => name !== 'istio-proxy');
  // Which of several containers a span belongs to, a proxy cannot tell.
  const only = containers.length === 1 ? containers[0] : undefined;
  const namespace = given || '$(POD_NAMESPACE)';
  const version = metadata.labels?.['app.kubernetes.io/version'] || versionOf(only);
  return {
    'service.namespace': annotated('service.namespace') || namespace,
    'service.version': annotated('service.version') || encode(version),
    'service.instance.id': annotated('service.instance.id') || [namespace, '$(POD_NAME)', ...(only ? [only.name] : [])].join('.'),
  };
}

/** Tag and digest of the image: "v1@sha256:…", or the one there is. */
function versionOf(container: Container | undefined): string {
  const [name = '', digest] = (container?.image ?? '').split('@');
  const tag = name.slice(name.lastIndexOf('/') + 1).split(':')[1];
  return [tag, digest].filter(Boolean).join('@');
}

// The separators of the list must not stand inside a value.
const encode = (text: string): string => text.replace(/[,=;%\s"\\]/g, encodeURIComponent);
