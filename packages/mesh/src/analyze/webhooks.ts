// Webhook configurations of the mesh: overlapping injectors and missing services (IST0139), unusable URLs of an external control
// plane (IST0163, IST0164).

import { parseIp } from '@lateen/base';
import type { KubeObject, MutatingWebhookConfiguration, Webhook } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { matchesSelector } from './injection.ts';
import type { World } from './world.ts';

const GROUP = 'admissionregistration.k8s.io';

type Hook = { object: KubeObject; webhook: Webhook; index: number };

function hooksOf(world: World, kind: string): Hook[] {
  const configurations = world.all(GROUP, kind) as unknown as (MutatingWebhookConfiguration & KubeObject)[];
  return configurations.flatMap((object) =>
    (object.webhooks ?? []).flatMap((webhook, index): Hook[] => (webhook.name?.endsWith('istio.io') ? [{ object, webhook, index }] : [])),
  );
}

export function analyzeWebhooks(world: World, out: Collector): void {
  const injectors = hooksOf(world, 'MutatingWebhookConfiguration').filter(({ webhook }) => webhook.name.includes('sidecar-injector'));
  reportOverlaps(injectors, out);
  for (const { object, webhook, index } of injectors) {
    const service = webhook.clientConfig?.service;
    if (!service || world.services.length === 0) continue;
    const exists = world.services.some(({ metadata }) => metadata.name === service.name && metadata.namespace === service.namespace);
    if (exists) continue;
    out.add('IST0139', object, {
      path: `webhooks[${index}].clientConfig.service`,
      message: `Injector refers to a control plane service that does not exist: ${service.name}.${service.namespace}`,
    });
  }
}

/** Label combinations people use; two hooks that take the same one inject twice. */
const NAMESPACES = [{}, { 'istio-injection': 'enabled' }, { 'istio-injection': 'disabled' }, { 'istio.io/rev': 'default' }];
const PODS = [{}, { 'sidecar.istio.io/inject': 'true' }, { 'sidecar.istio.io/inject': 'false' }];

function reportOverlaps(injectors: Hook[], out: Collector): void {
  const reported = new Set<KubeObject>();
  for (const { object, webhook } of injectors) {
    for (const other of injectors) {
      if (other.webhook === webhook || reported.has(object)) continue;
      const clash = NAMESPACES.flatMap((namespace) => PODS.map((pod) => ({ namespace, pod }))).find(
        (labels) => takes(webhook, labels) && takes(other.webhook, labels),
      );
      if (!clash || other.object === object) continue;
      reported.add(object);
      out.add('IST0139', object, {
        message: `Webhook overlaps with others: [${other.object.metadata.name}/${other.webhook.name}]. This may cause injection to occur twice.`,
      });
    }
  }
}

const takes = (webhook: Webhook, { namespace, pod }: { namespace: Record<string, string>; pod: Record<string, string> }): boolean =>
  matchesSelector(webhook.namespaceSelector, namespace) && matchesSelector(webhook.objectSelector, pod);

export function analyzeExternalControlPlane(world: World, out: Collector): void {
  for (const kind of ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']) {
    for (const { object, webhook, index } of hooksOf(world, kind)) {
      const { url, service } = webhook.clientConfig ?? {};
      const path = `webhooks[${index}].clientConfig`;
      if (url === undefined && service === undefined) {
        out.add('IST0163', object, {
          path,
          message: `The hostname () that was provided for the webhook (${webhook.name}) to reach the ingress gateway on the external control plane cluster is blank. Traffic may not flow properly.`,
        });
        continue;
      }
      if (url === undefined) continue;
      const host = hostOf(url);
      if (!host) {
        out.add('IST0163', object, {
          path: `${path}.url`,
          message: `The hostname (${url.slice(0, 120)}) that was provided for the webhook (${webhook.name}) to reach the ingress gateway on the external control plane cluster is not valid. Traffic may not flow properly.`,
        });
      } else if (parseIp(host)) {
        out.add('IST0164', object, {
          path: `${path}.url`,
          message: `The address (${host}) that was provided for the webhook (${webhook.name}) to reach the ingress gateway on the external control plane cluster is an IP address. This is not recommended for a production environment.`,
        });
      }
    }
  }
}

function hostOf(url: string): string | undefined {
  try {
    return new URL(url).hostname.replace(/^\[|\]$/g, '') || undefined;
  } catch {
    return undefined;
  }
}
