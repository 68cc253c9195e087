// MeshConfig as text, whichever source it came from.

import type { Logger } from '@lateen/base';
import { checkMeshConfigSupport, type MeshConfig, parseMeshConfig } from '@lateen/mesh';

/** Reads it; what is wrong or has no effect is logged, and leaves the defaults. Never throws. */
export function readMeshConfig(text: string | undefined, logger: Logger): MeshConfig {
  const { mesh, findings } = parseMeshConfig(text);
  for (const { code, level, path, message } of [...findings, ...checkMeshConfigSupport(mesh)])
    logger.warn('the mesh configuration is questionable', { code, level, path, message });
  return mesh;
}
