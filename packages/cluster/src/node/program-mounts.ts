// A volume may hide the very program it is for: with this checkout below /tmp, a volume on /tmp does. The program's folders are
// then mounted over the volume again. (A real image has its programs under paths of its own.) Likewise a folder that the
// container's user may not enter, as /root with mode 0700 for user 1000: an empty one takes its place, with only the program in it.

import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import type { ResolvedImage } from './image-catalogue.ts';
import type { Mount } from './pod-volumes.ts';

type Program = Pick<ResolvedImage, 'here' | 'entrypoint' | 'cmd' | 'env'>;

/** The mounts that bring back what `mounts` would hide of the image's programs. */
export function programMounts(image: Program, mounts: readonly Mount[]): Mount[] {
  const folders = programFolders(image);
  const hidden = folders.filter(({ folder }) => mounts.some(({ target }) => folder.startsWith(`${target}/`)));
  return hidden.map(({ folder, readOnly }) => ({ source: folder, target: folder, readOnly }));
}

/** Mounts of empty folders, made below `scratch`, over those that keep `user` away from the image's programs. */
export function openingMounts(image: Program, user: number, scratch: string): Mount[] {
  const closed = programFolders(image).flatMap(({ folder }) => closedFolder(folder, user) ?? []);
  return [...new Set(closed)].map((target, index) => {
    const source = `${scratch}/open-${index}`;
    mkdirSync(source, { recursive: true, mode: 0o755 });
    return { source, target, readOnly: false };
  });
}

// The outermost folder on the way that the user may not enter; groups do not count.
function closedFolder(folder: string, user: number): string | undefined {
  const above = dirname(folder) === folder ? undefined : closedFolder(dirname(folder), user);
  if (above !== undefined || !existsSync(folder)) return above;
  const { uid, mode } = statSync(folder);
  return mode & (uid === user ? 0o100 : 0o001) ? undefined : folder;
}

function programFolders(image: Program): { folder: string; readOnly: boolean }[] {
  const program = [...image.entrypoint, ...image.cmd][0] ?? '';
  const cache = image.env['NODE_COMPILE_CACHE'];
  const folders: { folder: string; readOnly: boolean }[] = [];
  if (image.here !== undefined) folders.push({ folder: image.here, readOnly: true });
  if (isAbsolute(program)) folders.push({ folder: dirname(program), readOnly: true });
  if (cache && existsSync(cache)) folders.push({ folder: cache, readOnly: false });
  return folders;
}
