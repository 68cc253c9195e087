// Runs the registered webhooks: mutating ones in order of name, each seeing what the one before left; validating ones together.

import { type Clock, type Logger, messageOf } from '@lateen/base';
import { applyJsonPatch } from '@lateen/kube/patch';
import type { AdmissionResponse, KubeObject, MutatingWebhook, Webhook } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';
import type { Schema } from '../schema/schema.ts';
import { decodeStrictly } from '../schema/strict-decode.ts';
import { ApiError, internalError } from '../status.ts';
import type { Attributes } from './admission.ts';
import { callWebhook, type DialService } from './webhook-client.ts';
import { webhookMatches } from './webhook-match.ts';

export type WebhookAdmission = {
  mutate(attributes: Attributes): Promise<KubeObject | undefined>;
  validate(attributes: Attributes): Promise<void>;
};

type Options = { store: () => Store; dialService: DialService; clock: Clock; logger: Logger };

const MUTATING = 'mutatingwebhookconfigurations.admissionregistration.k8s.io';
const VALIDATING = 'validatingwebhookconfigurations.admissionregistration.k8s.io';

export function createWebhookAdmission(options: Options): WebhookAdmission {
  const matching = (resource: string, attributes: Attributes): Webhook[] =>
    (options.store().list({ resource }) ?? [])
      .flatMap((configuration) => (configuration['webhooks'] as Webhook[] | undefined) ?? [])
      .filter((webhook) => webhookMatches(webhook, attributes, options.store()));

  async function call(webhook: Webhook, attributes: Attributes): Promise<AdmissionResponse | undefined> {
    if (attributes.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
      throw new ApiError(400, 'BadRequest', { message: `admission webhook "${webhook.name}" does not support dry run` });
    }
    let response: AdmissionResponse;
    try {
      response = await callWebhook(webhook, attributes, options);
    } catch (error) {
      options.logger.warn('admission webhook failed', {
        webhook: webhook.name,
        error: messageOf(error),
        failurePolicy: webhook.failurePolicy,
      });
      if (webhook.failurePolicy === 'Ignore') return undefined;
      throw internalError(
        messageOf(error).replace(
          /^failed calling webhook|^failed to call webhook/,
          `failed calling webhook "${webhook.name}": failed to call webhook`,
        ),
      );
    }
    attributes.warnings.push(...(response.warnings ?? []));
    if (!response.allowed) throw denial(webhook.name, response);
    return response;
  }

  async function mutateOnce(
    attributes: Attributes,
    webhooks: Webhook[],
  ): Promise<{ object: KubeObject | undefined; changedBy: Set<string> }> {
    let object = attributes.object;
    const changedBy = new Set<string>();
    for (const webhook of webhooks) {
      const response = await call(webhook, { ...attributes, object });
      if (!response?.patch || !object) continue;
      const patched = patchObject(webhook, object, { response, schema: attributes.resource.schema });
      if (JSON.stringify(patched) !== JSON.stringify(object)) changedBy.add(webhook.name);
      object = patched;
    }
    return { object, changedBy };
  }

  return {
    async mutate(attributes) {
      const webhooks = matching(MUTATING, attributes);
      if (webhooks.length === 0) return attributes.object;
      const { object, changedBy } = await mutateOnce(attributes, webhooks);
      // Once more for those that asked, if a later webhook changed what they saw.
      const again = webhooks.filter((webhook, i) => {
        const wants = (webhook as MutatingWebhook).reinvocationPolicy === 'IfNeeded';
        return wants && webhooks.slice(i + 1).some((later) => changedBy.has(later.name));
      });
      return again.length === 0 ? object : (await mutateOnce({ ...attributes, object }, again)).object;
    },
    async validate(attributes) {
      const results = await Promise.allSettled(matching(VALIDATING, attributes).map((webhook) => call(webhook, attributes)));
      const refused = results.find((result) => result.status === 'rejected');
      if (refused) throw refused.reason;
    },
  };
}

// The result is checked like a client's object: a patch must not bring in what the schema does not allow.
function patchObject(
  webhook: Webhook,
  object: KubeObject,
  { response, schema }: { response: AdmissionResponse; schema: Schema },
): KubeObject {
  try {
    const operations: unknown = JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString('utf8'));
    const patched = structuredClone(applyJsonPatch(structuredClone(object), operations)) as KubeObject;
    const { mismatch } = decodeStrictly(patched, schema);
    if (mismatch !== undefined) throw new Error(mismatch);
    return patched;
  } catch (error) {
    throw internalError(`the patch of admission webhook "${webhook.name}" cannot be applied: ${messageOf(error)}`);
  }
}

// Exactly Kubernetes' sentence: kubectl users and scripts look for it.
function denial(name: string, { status }: AdmissionResponse): ApiError {
  const code = status?.code && status.code >= 400 && status.code < 600 ? status.code : 400;
  const why = status?.message ? `: ${status.message}` : status?.reason ? `: ${status.reason}` : ' without explanation';
  const message = `admission webhook "${name}" denied the request${why}`;
  // Without a reason of the webhook's own, kubectl says only "Error from server".
  return new ApiError(code, status?.reason ?? '', {
    message,
    ...(status?.details ? { details: status.details } : {}),
  });
}
