// PeerAuthentication: which connections a workload accepts.

import type { Resource } from '../kube-object.ts';
import { choice, map, message, type Static } from '../schema/build.ts';
import { workloadSelector } from '../schema/shared.ts';

const mutualTls = message('Mutual TLS.', {
  mode: choice('STRICT refuses plain text, PERMISSIVE takes both, DISABLE only plain text; UNSET inherits.', [
    'UNSET',
    'DISABLE',
    'PERMISSIVE',
    'STRICT',
  ]),
});
/** `mtls` and the values of `portLevelMtls`. */
export type MutualTls = Static<typeof mutualTls>;

export const peerAuthenticationSpec = message(
  'Mutual TLS of inbound connections.',
  {
    selector: workloadSelector,
    mtls: mutualTls,
    portLevelMtls: map('Settings by container port; needs a selector.', mutualTls, {
      cel: [{ rule: 'self.all(key, 0 < int(key) && int(key) <= 65535)', message: 'port must be between 1-65535' }],
    }),
  },
  {
    cel: [
      {
        rule: '(has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0) || !has(self.portLevelMtls)',
        message: 'portLevelMtls requires selector',
      },
    ],
  },
);
/** Spec of a PeerAuthentication. */
export type PeerAuthenticationSpec = Static<typeof peerAuthenticationSpec>;
/** security.istio.io PeerAuthentication. */
export type PeerAuthentication = Resource<'PeerAuthentication', PeerAuthenticationSpec>;
