// Whether a webhook wants to see a request.

import { labelSelectorMatches } from '@lateen/kube';
import type { KubeObject, RuleWithOperations, Webhook } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';
import type { Attributes } from './admission.ts';

// Webhooks never see themselves being configured, nor the reviews.
const EXEMPT = new Set([
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
  'tokenreviews',
  'subjectaccessreviews',
  'selfsubjectaccessreviews',
]);

/** Rules, namespace selector and object selector together. */
export function webhookMatches(webhook: Webhook, attributes: Attributes, store: Store): boolean {
  if (EXEMPT.has(attributes.resource.plural)) return false;
  if (!(webhook.rules ?? []).some((rule) => ruleMatches(rule, attributes, webhook.matchPolicy !== 'Exact'))) return false;
  if (!namespaceMatches(webhook, attributes, store)) return false;
  const objects = [attributes.object, attributes.oldObject].filter((one): one is KubeObject => one !== undefined);
  return objects.some((object) => labelSelectorMatches(webhook.objectSelector, object.metadata.labels));
}

function ruleMatches(rule: RuleWithOperations, attributes: Attributes, isEquivalent: boolean): boolean {
  const { resource, subresource, operation } = attributes;
  const has = (list: readonly string[] | undefined, value: string) => list?.some((one) => one === '*' || one === value) ?? false;
  if (!has(rule.operations, operation) || !has(rule.apiGroups, resource.group)) return false;
  // matchPolicy Equivalent: another version of the same resource counts.
  if (!has(rule.apiVersions, resource.version) && !isEquivalent) return false;
  if (rule.scope === 'Cluster' && resource.namespaced) return false;
  if (rule.scope === 'Namespaced' && !resource.namespaced) return false;
  return rule.resources?.some((pattern) => resourceMatches(pattern, resource.plural, subresource)) ?? false;
}

function resourceMatches(pattern: string, plural: string, subresource: string | undefined): boolean {
  const [wanted, wantedSub] = pattern.split('/');
  if (wanted !== '*' && wanted !== plural) return false;
  if (wantedSub === undefined) return subresource === undefined;
  return wantedSub === '*' ? subresource !== undefined || pattern === '*/*' : wantedSub === subresource;
}

function namespaceMatches(webhook: Webhook, { resource, namespace, object, oldObject }: Attributes, store: Store): boolean {
  // A namespace is selected by its own labels; other cluster-scoped objects always match.
  if (resource.storage === 'namespaces') return labelSelectorMatches(webhook.namespaceSelector, (object ?? oldObject)?.metadata.labels);
  if (!resource.namespaced || namespace === undefined) return true;
  return labelSelectorMatches(
    webhook.namespaceSelector,
    store.get({ resource: 'namespaces', namespace: '', name: namespace })?.metadata.labels,
  );
}
