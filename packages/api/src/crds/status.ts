// The schema of `status`, the same for every kind but for ServiceEntry's addresses.

import { choice, intOrString, list, message, nodeOf, text, timestamp } from '../schema/build.ts';
import { type OpenApiSchema, toOpenApi } from './open-api.ts';

const condition = message('A condition.', {
  type: text('Kind of condition.'),
  status: text('True, False or Unknown.'),
  reason: text('One word for the reason.'),
  message: text('Details for people.'),
  observedGeneration: intOrString('Generation the condition is about.'),
  lastProbeTime: timestamp('Last time it was checked.'),
  lastTransitionTime: timestamp('Last time it changed.'),
});

const validationMessage = message('A finding about the object.', {
  type: message('Kind of finding.', { name: text('Its name.'), code: text('Its code, IST and four digits.') }),
  level: choice('How severe it is.', ['UNKNOWN', 'ERROR', 'WARNING', 'INFO']),
  documentationUrl: text('Page about it.'),
});

const address = message('An allocated address.', { value: text('The address.'), host: text('The host it stands for.') });

/** Status of a kind; unknown fields are kept, since controllers own it. */
export function statusSchema(kind: string): OpenApiSchema {
  const base = message('What the control plane says about the object.', {
    conditions: list('Conditions.', condition),
    validationMessages: list('Findings of the analyzers.', validationMessage),
    observedGeneration: intOrString('Generation the status is about.'),
    ...(kind === 'ServiceEntry' ? { addresses: list('Addresses allocated for the hosts.', address) } : {}),
  });
  return { ...toOpenApi(nodeOf(base)), 'x-kubernetes-preserve-unknown-fields': true };
}
