// DestinationRule: what happens to traffic after routing, and the subsets of a host.

import type { Resource } from '../kube-object.ts';
import { list, map, message, type Static, text } from '../schema/build.ts';
import { workloadSelector } from '../schema/shared.ts';
import { trafficPolicy } from './traffic-policy.ts';

const subset = message(
  'A named part of the endpoints of a host.',
  {
    name: text('Name that routes refer to.'),
    labels: map('Labels the endpoints carry.', text()),
    trafficPolicy,
  },
  { required: ['name'] },
);
/** One entry of `subsets`. */
export type Subset = Static<typeof subset>;

export const destinationRuleSpec = message(
  'Policies for the traffic to one host.',
  {
    host: text('Service of the registry; a short name belongs to the namespace of the rule.'),
    trafficPolicy,
    subsets: list('Named parts of the host.', subset),
    exportTo: list('Namespaces that see the rule: ".", "*" or names.', text()),
    workloadSelector,
  },
  { required: ['host'] },
);
/** Spec of a DestinationRule. */
export type DestinationRuleSpec = Static<typeof destinationRuleSpec>;
/** networking.istio.io DestinationRule. */
export type DestinationRule = Resource<'DestinationRule', DestinationRuleSpec>;
