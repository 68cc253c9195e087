// The volumes of one pod on disk, and the mounts of its containers.

import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, CodedError } from '@lateen/base';
import type { Container, Pod, Volume, VolumeMount } from '@lateen/kube/types';
import { writeAtomicDirectory } from './atomic-directory.ts';
import { type ConfigurationSource, configurationError } from './configuration-source.ts';
import type { PodFacts } from './downward-api.ts';
import { expandReferences } from './expand.ts';
import { isProjectedVolume, type TokenRequestOptions, volumeFiles } from './volume-files.ts';

export type Mount = { source: string; target: string; readOnly: boolean };

export type PodVolumesOptions = {
  /** Of this pod alone; removed with it. */
  directory: string;
  /** Of persistent volume claims of the pod's namespace; survives the pod. */
  claimsDirectory: string;
  facts(): PodFacts;
  source: ConfigurationSource;
  requestToken(options: TokenRequestOptions): Promise<{ token: string; expiresAtMs: number }>;
  clock: Clock;
};

export type PodVolumes = {
  /** Makes every volume exist. @throws CodedError with what is missing. */
  prepare(): Promise<void>;
  /** Writes changed configuration into the projected volumes, atomically; also renews tokens. Missing objects leave the files as they are. */
  refresh(): Promise<void>;
  mountsOf(container: Container, env: ReadonlyMap<string, string>): Promise<Mount[]>;
  /** Whether the pod reads this object through a volume. */
  reads(kind: 'ConfigMap' | 'Secret', name: string): boolean;
};

export function createPodVolumes(pod: Pod, options: PodVolumesOptions): PodVolumes {
  const volumes = new Map((pod.spec.volumes ?? []).map((volume) => [volume.name, volume]));
  const pathOf = (volume: Volume): string => {
    if (volume.hostPath) return volume.hostPath.path;
    if (volume.persistentVolumeClaim) return join(options.claimsDirectory, volume.persistentVolumeClaim.claimName);
    return join(options.directory, volume.name);
  };
  const token = createTokenCache(options);
  const writeFiles = async (volume: Volume) => {
    const files = await volumeFiles(volume, { facts: options.facts(), source: options.source, token });
    await writeAtomicDirectory(pathOf(volume), files);
  };
  return {
    async prepare() {
      for (const volume of volumes.values()) {
        if (isProjectedVolume(volume)) await writeFiles(volume).catch((error) => Promise.reject(mountError(volume, error)));
        else await prepareDirectory(volume, pathOf(volume));
      }
    },
    async refresh() {
      for (const volume of volumes.values()) if (isProjectedVolume(volume)) await writeFiles(volume).catch(() => {});
    },
    async mountsOf(container, env) {
      const mounts: Mount[] = [];
      for (const mount of container.volumeMounts ?? []) {
        const volume = volumes.get(mount.name);
        if (!volume)
          throw configurationError(`container ${container.name} mounts volume ${JSON.stringify(mount.name)}, which the pod does not have`);
        mounts.push({ source: await mountSource(pathOf(volume), mount, env), target: mount.mountPath, readOnly: mount.readOnly ?? false });
      }
      return mounts;
    },
    reads: (kind, name) =>
      [...volumes.values()].some((volume) => {
        const sources = [volume, ...(volume.projected?.sources ?? [])];
        return kind === 'ConfigMap'
          ? sources.some((source) => source.configMap?.name === name)
          : volume.secret?.secretName === name || (volume.projected?.sources ?? []).some((source) => source.secret?.name === name);
      }),
  };
}

async function mountSource(path: string, mount: VolumeMount, env: ReadonlyMap<string, string>): Promise<string> {
  const subPath = mount.subPathExpr === undefined ? mount.subPath : expandReferences(mount.subPathExpr, env);
  if (!subPath) return path;
  if (subPath.startsWith('/') || subPath.split('/').includes('..'))
    throw configurationError(`subPath ${JSON.stringify(subPath)} must stay inside the volume`);
  const source = join(path, subPath);
  if (!(await exists(source))) await mkdir(source, { recursive: true });
  return source;
}

async function prepareDirectory(volume: Volume, path: string): Promise<void> {
  if (volume.emptyDir || volume.persistentVolumeClaim) {
    await mkdir(path, { recursive: true });
    // As the kubelet does: any user of the pod may write.
    await chmod(path, 0o777);
    return;
  }
  if (!volume.hostPath) {
    const kinds = Object.keys(volume).filter((key) => key !== 'name');
    throw mountError(volume, new Error(`volume type ${kinds.join(', ')} is not supported on this node`));
  }
  const type = volume.hostPath.type ?? '';
  if (await exists(path)) return;
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  else if (type === 'FileOrCreate') await writeFile(path, '', { flag: 'a', mode: 0o644 });
  else throw mountError(volume, new Error(`hostPath ${path} does not exist`));
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const mountError = (volume: Volume, cause: unknown): CodedError =>
  new CodedError({
    code: 'LAT3112',
    what: `MountVolume.SetUp failed for volume ${JSON.stringify(volume.name)}`,
    why: cause instanceof Error ? cause.message : String(cause),
    cause,
  });

/** Tokens are asked for once and again when 80 % of their life is over, as the kubelet does. */
function createTokenCache({ requestToken, clock }: PodVolumesOptions): (options: TokenRequestOptions) => Promise<string> {
  const cache = new Map<string, { token: string; renewAtMs: number }>();
  return async (options) => {
    const key = JSON.stringify(options);
    const cached = cache.get(key);
    if (cached && clock.now() < cached.renewAtMs) return cached.token;
    const { token, expiresAtMs } = await requestToken(options);
    cache.set(key, { token, renewAtMs: clock.now() + (expiresAtMs - clock.now()) * 0.8 });
    return token;
  };
}
