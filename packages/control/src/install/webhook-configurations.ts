// Which pods come to the injector and which objects to validation. The rules are Istio's for its default revision.

import type { KubeObject, LabelSelectorRequirement, MutatingWebhook, ValidatingWebhook } from '@lateen/kube/types';
import { INJECTOR_NAME, ISTIO_VALIDATION, validatorName } from '../webhooks/registration.ts';
import type { InstallContext } from './manifests.ts';

export function webhookConfigurations({ namespace }: InstallContext): KubeObject[] {
  const labels = { app: 'sidecar-injector', 'istio.io/rev': 'default', release: 'istio' };
  return [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: INJECTOR_NAME, labels },
      webhooks: injectionRules(namespace),
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: validatorName(namespace), labels: { ...labels, app: 'istiod' } },
      webhooks: [validation(namespace), support(namespace)],
    },
  ];
}

const INJECT = 'sidecar.istio.io/inject';
const REVISION = 'istio.io/rev';
const INJECTION = 'istio-injection';

const absent = (key: string): LabelSelectorRequirement => ({ key, operator: 'DoesNotExist' });
const oneOf = (key: string, value: string): LabelSelectorRequirement => ({ key, operator: 'In', values: [value] });
const notFalse: LabelSelectorRequirement = { key: INJECT, operator: 'NotIn', values: ['false'] };

function injectionRules(namespace: string): MutatingWebhook[] {
  const rule = (name: string, namespaces: LabelSelectorRequirement[], pods: LabelSelectorRequirement[]): MutatingWebhook => ({
    name: `${name}.sidecar-injector.istio.io`,
    clientConfig: { service: { name: 'istiod', namespace, path: '/inject', port: 443 } },
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
    failurePolicy: 'Fail',
    reinvocationPolicy: 'Never',
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    namespaceSelector: { matchExpressions: namespaces },
    objectSelector: { matchExpressions: pods },
  });
  return [
    rule('rev.namespace', [oneOf(REVISION, 'default'), absent(INJECTION)], [notFalse]),
    rule('rev.object', [absent(REVISION), absent(INJECTION)], [notFalse, oneOf(REVISION, 'default')]),
    rule('namespace', [oneOf(INJECTION, 'enabled')], [notFalse]),
    rule('object', [absent(INJECTION), absent(REVISION)], [oneOf(INJECT, 'true'), absent(REVISION)]),
  ];
}

const validation = (namespace: string): ValidatingWebhook => ({
  name: ISTIO_VALIDATION,
  clientConfig: { service: { name: 'istiod', namespace, path: '/validate', port: 443 } },
  rules: ['security', 'networking', 'telemetry', 'extensions'].map((group) => ({
    operations: ['CREATE', 'UPDATE'],
    apiGroups: [`${group}.istio.io`],
    apiVersions: ['*'],
    resources: ['*'],
  })),
  // The control plane raises it to Fail once it has seen itself refuse something.
  failurePolicy: 'Ignore',
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
});

// Kinds that Istio reads and this mesh does not yet: never refused, but answered with a warning.
const support = (namespace: string): ValidatingWebhook => ({
  ...validation(namespace),
  name: 'support.validation.istio.io',
  rules: [
    { operations: ['CREATE', 'UPDATE'], apiGroups: ['networking.k8s.io'], apiVersions: ['*'], resources: ['ingresses'] },
    { operations: ['CREATE', 'UPDATE'], apiGroups: ['gateway.networking.k8s.io'], apiVersions: ['*'], resources: ['*'] },
  ],
  failurePolicy: 'Ignore',
  timeoutSeconds: 2,
});
