// Keeps the webhook configurations pointed at us: our CA bundle in both, and failurePolicy Fail for validation once a refusal
// has been seen to work, so that a half-installed control plane blocks nobody.

import { type Clock, type Closable, delay, type Logger, messageOf } from '@lateen/base';
import { createInformer, type KubeClient } from '@lateen/kube';
import type { KubeObject, MutatingWebhookConfiguration, ResourceRef, ValidatingWebhookConfiguration, Webhook } from '@lateen/kube/types';

export const MUTATING_WEBHOOKS: ResourceRef = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  resource: 'mutatingwebhookconfigurations',
  namespaced: false,
};
const VALIDATING: ResourceRef = { ...MUTATING_WEBHOOKS, resource: 'validatingwebhookconfigurations' };
const GATEWAYS: ResourceRef = { group: 'networking.istio.io', version: 'v1', resource: 'gateways', namespaced: true };
const SELF_TEST_PERIOD_MS = 1_000;

/** The webhook that validates Istio's own kinds. */
export const ISTIO_VALIDATION = 'rev.validation.istio.io';
export const INJECTOR_NAME = 'istio-sidecar-injector';
export const validatorName = (namespace: string): string => `istio-validator-${namespace}`;

export type RegistrationOptions = { client: KubeClient; namespace: string; rootPem: string; clock: Clock; logger: Logger };

type Configuration = KubeObject & (MutatingWebhookConfiguration | ValidatingWebhookConfiguration);

export function keepRegistered(options: RegistrationOptions): Closable {
  const { client, namespace, rootPem, clock, logger } = options;
  const caBundle = Buffer.from(rootPem).toString('base64');
  const stop = new AbortController();
  let failurePolicy: 'Ignore' | 'Fail' = 'Ignore';

  const reconcile = (resource: ResourceRef) => (configuration: Configuration) => {
    const desired = (hook: Webhook): Webhook => ({
      ...hook,
      clientConfig: { ...hook.clientConfig, caBundle },
      // Only ever raised: somebody who installed with Fail keeps it.
      ...(hook.name === ISTIO_VALIDATION && failurePolicy === 'Fail' && { failurePolicy }),
    });
    const webhooks = (configuration.webhooks ?? []).map(desired);
    const isCurrent = (configuration.webhooks ?? []).every(
      (hook, index) => hook.clientConfig.caBundle === caBundle && hook.failurePolicy === webhooks[index]?.failurePolicy,
    );
    if (isCurrent) return;
    client
      .update(resource, { ...configuration, webhooks })
      // A conflict means a newer object, which comes as the next event.
      .catch((error: unknown) =>
        logger.debug('cannot update a webhook configuration', { name: configuration.metadata.name, error: messageOf(error) }),
      );
  };
  const follow = (resource: ResourceRef, name: string) =>
    createInformer<Configuration>({
      client,
      resource,
      fieldSelector: `metadata.name=${name}`,
      clock,
      logger,
      handlers: { onAdd: reconcile(resource), onUpdate: reconcile(resource) },
    });
  const injector = follow(MUTATING_WEBHOOKS, INJECTOR_NAME);
  const validator = follow(VALIDATING, validatorName(namespace));

  const raise = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      if (await refusesBadObjects(client, namespace)) {
        failurePolicy = 'Fail';
        for (const configuration of validator.store.list()) reconcile(VALIDATING)(configuration);
        logger.info('the validating webhook works; it now fails closed');
        return;
      }
      await delay(clock, SELF_TEST_PERIOD_MS, stop.signal).catch(() => {});
    }
  };
  void raise();
  return {
    async close() {
      stop.abort(new Error('closed'));
      await Promise.all([injector.close(), validator.close()]);
    },
  };
}

// A dry-run object that only our own webhook refuses.
async function refusesBadObjects(client: KubeClient, namespace: string): Promise<boolean> {
  const object: KubeObject = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'istiod-webhook-self-test', namespace, annotations: { 'internal.istio.io/webhook-always-reject': 'true' } },
    spec: { selector: { istio: 'nobody' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] },
  };
  try {
    await client.create(GATEWAYS, object, { dryRun: true });
    return false;
  } catch (error) {
    return /denied the request/.test(messageOf(error));
  }
}
