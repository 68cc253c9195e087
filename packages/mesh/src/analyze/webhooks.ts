// Webhook configurations of the mesh: overlapping injectors and missing services (IST0139), unusable URLs of an external control
// plane (IST0163, IST0164).

import { parseIp } from '@lateen/base';
import type { KubeObject, MutatingWebhookConfiguration, Webhook } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { matchesSelector } from './injection.ts';
import type { World } from './world.ts';

const GROUP = 'admissionregistration.k8s.io';

const REVISION = 'istio.io/rev';

type Hook = { object: KubeObject; webhook: Webhook; index: number };
type Configuration = MutatingWebhookConfiguration & KubeObject;

const configurationsOf = (world: World, kind: string): readonly Configuration[] =>
  world.all(GROUP, kind) as unknown as readonly Configuration[];

const hooksOf = (object: Configuration): Hook[] =>
  (Array.isArray(object.webhooks) ? object.webhooks : []).map((webhook, index) => ({ object, webhook, index }));

const isOurs = ({ webhook }: Hook): boolean => webhook.name?.endsWith('istio.io') ?? false;

export function analyzeWebhooks(world: World, out: Collector): void {
  const configurations = configurationsOf(world, 'MutatingWebhookConfiguration').filter(
    (configuration) => revisionsOf(configuration).length > 0 || hooksOf(configuration).some(isOurs),
  );
  const hooks = configurations.flatMap(hooksOf);
  reportOverlaps(hooks, [...new Set(configurations.flatMap(revisionsOf))], out);
  for (const { object, webhook, index } of hooks) {
    const service = webhook.clientConfig?.service;
    if (!service) continue;
    const exists = world.services.some(({ metadata }) => metadata.name === service.name && metadata.namespace === service.namespace);
    if (exists) continue;
    out.add('IST0139', object, {
      path: `webhooks[${index}].clientConfig.service`,
      message: `Injector refers to a control plane service that does not exist: ${service.namespace}/${service.name}.`,
    });
  }
}

/** The revisions a configuration is about, by its label or by the selectors of its webhooks. */
function revisionsOf(configuration: Configuration): string[] {
  const own = configuration.metadata.labels?.[REVISION];
  const selected = hooksOf(configuration)
    .flatMap(({ webhook }) => [webhook.namespaceSelector, webhook.objectSelector])
    .flatMap((selector) => [
      ...(selector?.matchLabels?.[REVISION] === undefined ? [] : [selector.matchLabels[REVISION]]),
      ...(selector?.matchExpressions ?? []).flatMap(({ key, values = [] }) => (key === REVISION ? values : [])),
    ]);
  return own === undefined ? selected : [own, ...selected];
}

type Labels = Record<string, string>;

/** Labels people give namespaces and pods; two webhooks that take the same pair inject twice. */
const NAMESPACES: Labels[] = [{}, { 'istio-injection': 'enabled' }, { 'istio-injection': 'disabled' }];
const PODS: Labels[] = [{}, { 'sidecar.istio.io/inject': 'true' }, { 'sidecar.istio.io/inject': 'false' }];

function reportOverlaps(hooks: Hook[], revisions: string[], out: Collector): void {
  const withRevisions = (base: Labels[]): Labels[] => [
    ...base,
    ...revisions.flatMap((revision) => base.map((labels) => ({ ...labels, [REVISION]: revision }))),
  ];
  const pods = withRevisions(PODS);
  const others = new Map<Hook, Set<Hook>>();
  for (const namespace of withRevisions(NAMESPACES)) {
    for (const pod of pods) {
      const taking = hooks.filter(({ webhook }) => takes(webhook, { namespace, pod }));
      if (taking.length < 2) continue;
      for (const hook of taking) others.set(hook, new Set([...(others.get(hook) ?? []), ...taking]).difference(new Set([hook])));
    }
  }
  for (const [{ object, index }, overlapping] of others) {
    const names = [...overlapping].map((other) => `${other.object.metadata.name}/${other.webhook.name}`).sort();
    out.add('IST0139', object, {
      path: `webhooks[${index}]`,
      message: `Webhook overlaps with others: [${names.join(' ')}]. This may cause injection to occur twice.`,
    });
  }
}

const takes = (webhook: Webhook, { namespace, pod }: { namespace: Labels; pod: Labels }): boolean =>
  matchesSelector(webhook.namespaceSelector, namespace) && matchesSelector(webhook.objectSelector, pod);

export function analyzeExternalControlPlane(world: World, out: Collector): void {
  for (const kind of ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']) {
    for (const { object, webhook, index } of configurationsOf(world, kind).flatMap(hooksOf).filter(isOurs)) {
      // An empty "url:" in YAML is null.
      const url = webhook.clientConfig?.url ?? undefined;
      const service = webhook.clientConfig?.service ?? undefined;
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
