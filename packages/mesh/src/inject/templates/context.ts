// What a template sees: the pod as its author wrote it, where it comes from, and the settings.

import { isObject } from '@lateen/base';
import type { Container, PodSpec, ResourceRequirements, TemplateMeta } from '@lateen/kube/types';
import { excludeInboundPort } from '../annotations.ts';
import type { InjectConfig } from '../config.ts';
import { canonicalQuantity } from '../go-json.ts';
import { interceptionModeOf } from '../proxy-config.ts';
import { type Values, valueAt } from '../values.ts';

/** The controller that the pod belongs to, as ISTIO_META_OWNER names it. */
export type Workload = { apiVersion: string; kind: string; name: string; namespace: string };

export type TemplateContext = {
  workload: Workload;
  /** Of the pod without what an earlier injection added. */
  metadata: TemplateMeta;
  spec: PodSpec;
  proxyConfig: Values;
  config: InjectConfig;
  proxyImage: string;
  /** For istio-init and istio-validation. */
  proxyInitImage: string;
  proxyUid: number;
  proxyGid: number;
};

/** A strategic merge patch for the pod. */
export type PodOverlay = {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: { [field in keyof PodSpec]?: unknown };
};

/** The annotation, or the chart value when the pod does not set it. */
export function annotationOr(context: TemplateContext, name: string, valuePath: string): string {
  return context.metadata.annotations?.[name] ?? textValue(context, valuePath);
}

export function hasAnnotation({ metadata }: TemplateContext, name: string): boolean {
  return metadata.annotations !== undefined && Object.hasOwn(metadata.annotations, name);
}

export function textValue({ config }: TemplateContext, path: string): string {
  const value = valueAt(config.values, path);
  return value === undefined || value === null ? '' : String(value);
}

export const isEnabled = ({ config }: TemplateContext, path: string): boolean => valueAt(config.values, path) === true;

export function interceptionMode(context: TemplateContext): string {
  return context.metadata.annotations?.['sidecar.istio.io/interceptionMode'] ?? interceptionModeOf(context.proxyConfig);
}

export function isNativeSidecar({ metadata, config }: TemplateContext): boolean {
  return (metadata.annotations?.['sidecar.istio.io/nativeSidecar'] || String(config.nativeSidecars)) !== 'false';
}

/** Names of the pod's containers apart from the proxy. */
export const appContainers = ({ spec }: TemplateContext): string[] =>
  spec.containers.map(({ name }) => name).filter((name) => name !== 'istio-proxy');

/** The annotation or the chart value when that is a whole image name, else the image made from hub, name and tag. */
export function imageOf(context: TemplateContext, chart: 'proxy' | 'proxy_init' = 'proxy'): string {
  const image = annotationOr(context, 'sidecar.istio.io/proxyImage', `global.${chart}.image`);
  if (image.includes('/')) return image;
  return chart === 'proxy' ? context.proxyImage : context.proxyInitImage;
}

export function pullPolicy(context: TemplateContext): Pick<Container, 'imagePullPolicy'> {
  const policy = textValue(context, 'global.imagePullPolicy');
  return policy === '' ? {} : { imagePullPolicy: policy as NonNullable<Container['imagePullPolicy']> };
}

/** The sidecar.istio.io/proxyCPU family replaces the chart's resources as a whole. */
export function proxyResources(context: TemplateContext): ResourceRequirements {
  const of = (suffix: string): Record<string, string> => {
    const cpu = context.metadata.annotations?.[`sidecar.istio.io/proxyCPU${suffix}`];
    const memory = context.metadata.annotations?.[`sidecar.istio.io/proxyMemory${suffix}`];
    return {
      ...(cpu === undefined ? {} : { cpu: canonicalQuantity(cpu) }),
      ...(memory === undefined ? {} : { memory: canonicalQuantity(memory) }),
    };
  };
  const requests = of('');
  const limits = of('Limit');
  if (Object.keys(requests).length > 0 || Object.keys(limits).length > 0) {
    return { ...(Object.keys(requests).length > 0 ? { requests } : {}), ...(Object.keys(limits).length > 0 ? { limits } : {}) };
  }
  const values = valueAt(context.config.values, 'global.proxy.resources');
  const canonical = (list: unknown): Record<string, string> | undefined => {
    const entries = isObject(list) ? Object.entries(list).filter(([, quantity]) => quantity !== null) : [];
    return entries.length > 0
      ? Object.fromEntries(entries.map(([name, quantity]) => [name, canonicalQuantity(quantity as string)]))
      : undefined;
  };
  const fromValues = isObject(values) ? { requests: canonical(values['requests']), limits: canonical(values['limits']) } : {};
  return Object.fromEntries(Object.entries(fromValues).filter(([, list]) => list !== undefined));
}

/** service.istio.io/canonical-name and -revision, each the first of the usual labels that is set. */
export function canonicalLabels({ metadata, workload }: TemplateContext): Record<string, string> {
  const labels = metadata.labels ?? {};
  const name = labels['service.istio.io/canonical-name'] || labels['app.kubernetes.io/name'] || labels['app'] || workload.name;
  const revision = labels['service.istio.io/canonical-revision'] || labels['app.kubernetes.io/version'] || labels['version'] || 'latest';
  return {
    // A label value has at most 63 characters and must begin and end with a letter or digit.
    'service.istio.io/canonical-name': trimCharacters(name.slice(0, 63), '-_.'),
    'service.istio.io/canonical-revision': revision,
  };
}

/** The text without these characters at either end. */
export function trimCharacters(text: string, characters: string): string {
  let [start, end] = [0, text.length];
  while (start < end && characters.includes(text.charAt(start))) start++;
  while (end > start && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

/** kubectl's default container stays the application's, whatever the order of containers. */
export function defaultContainerAnnotations(context: TemplateContext): Record<string, string> {
  const first = appContainers(context)[0];
  if (first === undefined) return {};
  const names = ['kubectl.kubernetes.io/default-logs-container', 'kubectl.kubernetes.io/default-container'];
  return Object.fromEntries(names.filter((name) => !hasAnnotation(context, name)).map((name) => [name, first]));
}

/** Ports that must not be captured: the given ones and the status port. */
export function excludedInboundPorts(context: TemplateContext): string {
  const statusPort = annotationOr(context, 'status.sidecar.istio.io/port', 'global.proxy.statusPort');
  return excludeInboundPort(
    statusPort,
    annotationOr(context, 'traffic.sidecar.istio.io/excludeInboundPorts', 'global.proxy.excludeInboundPorts'),
  );
}
