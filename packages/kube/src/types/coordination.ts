// coordination.k8s.io/v1.

import type { ObjectMeta, TypeMeta } from './meta.ts';

export type LeaseSpec = {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  /** RFC 3339 with microseconds. */
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
  strategy?: string;
  preferredHolder?: string;
};
export type Lease = TypeMeta & { metadata: ObjectMeta; spec?: LeaseSpec };
