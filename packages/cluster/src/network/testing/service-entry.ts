// Rows of the service table for tests.

import type { ServiceTableEntry } from '../../contracts.ts';

/** A service of `namespace` without addresses and ports, but for `more`. */
export const serviceEntry = (namespace: string, name: string, more: Partial<ServiceTableEntry>): ServiceTableEntry => ({
  namespace,
  name,
  clusterIP: undefined,
  externalName: undefined,
  addresses: [],
  ports: [],
  loadBalancer: false,
  ...more,
});
