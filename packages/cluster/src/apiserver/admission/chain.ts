// The order of admission: built-in plugins, mutating webhooks, allocation of addresses; later the validating webhooks.

import type { Core } from '../rest/call.ts';
import type { Admission, Attributes } from './admission.ts';
import { protectNamespaces } from './protected.ts';
import { addServiceAccount } from './service-account.ts';
import { allocateService } from './service-addresses.ts';
import type { WebhookAdmission } from './webhook-admission.ts';

/** `core` is read when a request comes, so that admission can be made before it. */
export function createAdmission(core: () => Omit<Core, 'admission'>, webhooks: WebhookAdmission): Admission {
  return {
    async mutate(attributes: Attributes) {
      protectNamespaces(attributes);
      const { object, operation, resource, subresource } = attributes;
      const isPlain = resource.custom === undefined && subresource === undefined;
      if (object && isPlain && resource.storage === 'pods' && operation === 'CREATE') await addServiceAccount(attributes, core());
      const admitted = await webhooks.mutate(attributes);
      if (admitted && isPlain && resource.storage === 'services') allocateService(admitted, attributes.oldObject, core().store);
      return admitted;
    },
    validate: (attributes) => webhooks.validate(attributes),
  };
}
