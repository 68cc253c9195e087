// Where a retry should not go.

import { isObject, type Json, jsonEqual } from '@lateen/base';
import type { RetryRuntime } from '../runtime/model.ts';
import type { Host } from '../upstream/host.ts';

/** Whether the rules keep retries away from a host by its metadata; undefined: from none. */
export function hostRejection({ omitCanaryHosts, omitHostMetadata }: RetryRuntime): ((host: Host) => boolean) | undefined {
  if (!omitCanaryHosts && !omitHostMetadata) return undefined;
  return (host) => {
    const labels = host.endpoint.metadata.get('envoy.lb');
    if (omitCanaryHosts && labels?.canary === true) return true;
    return omitHostMetadata !== undefined && hasAll(labels, omitHostMetadata);
  };
}

function hasAll(labels: unknown, wanted: { readonly [key: string]: Json }): boolean {
  if (!isObject(labels)) return false;
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(labels, key) && jsonEqual((labels as Record<string, Json>)[key] as Json, value),
  );
}
