// A volume may hide the very program it is for: with this checkout below /tmp, a volume on /tmp does. The program's folders are
// then mounted over the volume again. (A real image has its programs under paths of its own.)

import { existsSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import type { ResolvedImage } from './image-catalogue.ts';
import type { Mount } from './pod-volumes.ts';

/** The mounts that bring back what `mounts` would hide of the image's programs. */
export function programMounts(image: Pick<ResolvedImage, 'here' | 'entrypoint' | 'cmd' | 'env'>, mounts: readonly Mount[]): Mount[] {
  const program = [...image.entrypoint, ...image.cmd][0] ?? '';
  const cache = image.env['NODE_COMPILE_CACHE'];
  const folders: { folder: string; readOnly: boolean }[] = [];
  if (image.here !== undefined) folders.push({ folder: image.here, readOnly: true });
  if (isAbsolute(program)) folders.push({ folder: dirname(program), readOnly: true });
  if (cache && existsSync(cache)) folders.push({ folder: cache, readOnly: false });
  const hidden = folders.filter(({ folder }) => mounts.some(({ target }) => folder.startsWith(`${target}/`)));
  return hidden.map(({ folder, readOnly }) => ({ source: folder, target: folder, readOnly }));
}
