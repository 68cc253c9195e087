// What translations find, logged once: a warning at apply reaches only who applied, and not what two objects do to each other.

import type { Logger } from '@lateen/base';
import type { Finding } from '@lateen/mesh';

const MAX_REMEMBERED = 10_000;

/** Logs each finding the first time it is seen. */
export function createFindingLog(logger: Logger): (findings: readonly Finding[]) => void {
  const lists = new WeakSet<readonly Finding[]>();
  const known = new Set<string>();
  return (findings) => {
    if (lists.has(findings)) return;
    lists.add(findings);
    for (const { code, path, message, resource } of findings) {
      const object = `${resource?.kind}/${resource?.namespace ?? ''}/${resource?.name}`;
      const key = `${code} ${object} ${path} ${message}`;
      if (known.has(key)) continue;
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.add(key);
      logger.warn(message, { code, object, path });
    }
  };
}
