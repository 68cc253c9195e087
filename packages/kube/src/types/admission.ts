// admissionregistration.k8s.io/v1 and admission.k8s.io/v1.

import type { UserInfo } from './auth.ts';
import type { GroupVersionKind, GroupVersionResource, KubeObject, LabelSelector, ObjectMeta, Status, TypeMeta } from './meta.ts';

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT' | '*';

export type RuleWithOperations = {
  operations?: AdmissionOperation[];
  apiGroups?: string[];
  apiVersions?: string[];
  resources?: string[];
  scope?: 'Cluster' | 'Namespaced' | '*';
};

export type WebhookClientConfig = {
  url?: string;
  service?: { namespace: string; name: string; path?: string; port?: number };
  /** Base64 PEM. */
  caBundle?: string;
};

export type Webhook = {
  name: string;
  clientConfig: WebhookClientConfig;
  rules?: RuleWithOperations[];
  failurePolicy?: 'Ignore' | 'Fail';
  matchPolicy?: 'Exact' | 'Equivalent';
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  sideEffects: 'None' | 'NoneOnDryRun' | 'Some' | 'Unknown';
  timeoutSeconds?: number;
  admissionReviewVersions: string[];
  matchConditions?: { name: string; expression: string }[];
};
export type MutatingWebhook = Webhook & { reinvocationPolicy?: 'Never' | 'IfNeeded' };
export type ValidatingWebhook = Webhook;

export type MutatingWebhookConfiguration = TypeMeta & { metadata: ObjectMeta; webhooks?: MutatingWebhook[] };
export type ValidatingWebhookConfiguration = TypeMeta & { metadata: ObjectMeta; webhooks?: ValidatingWebhook[] };

export type AdmissionRequest = {
  uid: string;
  kind: GroupVersionKind;
  resource: GroupVersionResource;
  subResource?: string;
  requestKind?: GroupVersionKind;
  requestResource?: GroupVersionResource;
  requestSubResource?: string;
  name?: string;
  namespace?: string;
  operation: Exclude<AdmissionOperation, '*'>;
  userInfo: UserInfo;
  object?: KubeObject | null;
  oldObject?: KubeObject | null;
  dryRun?: boolean;
  options?: Record<string, unknown> | null;
};

export type AdmissionResponse = {
  uid: string;
  allowed: boolean;
  status?: Partial<Status>;
  /** Base64 of a JSON patch. */
  patch?: string;
  patchType?: 'JSONPatch';
  auditAnnotations?: Record<string, string>;
  warnings?: string[];
};

export type AdmissionReview = TypeMeta & { request?: AdmissionRequest; response?: AdmissionResponse };
