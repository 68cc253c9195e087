import type { connectionLimitNetworkFilter } from '@lateen/xds/messages/proxy';
import type { RuntimeFlag } from '../model.ts';

/** A feature that a key of Envoy's runtime turns on and off; undefined: it is on. */
export function compileRuntimeFlag(flag: connectionLimitNetworkFilter.ConnectionLimit['runtimeEnabled']): RuntimeFlag | undefined {
  return flag && { key: flag.runtimeKey, isOnByDefault: flag.defaultValue ?? false };
}
