// The ProxyConfig objects that apply to a pod, as one value to lay over MeshConfig.defaultConfig.

import type { ProxyConfig, ProxyConfigSpec } from '@lateen/api';
import { labelsMatch } from './host-name.ts';
import type { MeshSnapshot } from './snapshot.ts';
import { compareAge } from './source.ts';

/** The fields of MeshConfig's ProxyConfig that the kind of the same name can set. */
export type ProxySettings = { concurrency?: number; image?: { imageType?: string }; proxyMetadata?: Record<string, string> };

/** Root namespace, then the pod's namespace, then what selects its labels: the narrower wins, among equals the oldest. */
export function proxySettingsFor(
  { proxyConfigs, mesh }: MeshSnapshot,
  { namespace, labels }: { namespace: string; labels: Readonly<Record<string, string>> },
): ProxySettings {
  if (proxyConfigs.size === 0) return {};
  // Laid over each other in this order, so the oldest comes last.
  const all = [...proxyConfigs.values()].sort(compareAge).reverse();
  const of = (owner: string) => all.filter(({ metadata }) => metadata.namespace === owner);
  const own = of(namespace);
  const applying = [
    ...of(mesh.rootNamespace).filter((config) => !selectorOf(config)),
    ...(namespace === mesh.rootNamespace ? [] : own.filter((config) => !selectorOf(config))),
    ...own.filter((config) => selectorOf(config) && labelsMatch(selectorOf(config), labels)),
  ];
  return applying.map(({ spec }) => settingsOf(spec)).reduce(overlay, {});
}

const selectorOf = ({ spec }: ProxyConfig): Record<string, string> | undefined =>
  Object.keys(spec.selector?.matchLabels ?? {}).length > 0 ? spec.selector?.matchLabels : undefined;

const settingsOf = ({ concurrency, image, environmentVariables }: ProxyConfigSpec): ProxySettings => ({
  ...(concurrency !== undefined && { concurrency }),
  ...(image && { image }),
  ...(environmentVariables && { proxyMetadata: environmentVariables }),
});

const overlay = (wide: ProxySettings, narrow: ProxySettings): ProxySettings => ({
  ...wide,
  ...narrow,
  ...((wide.image || narrow.image) && { image: { ...wide.image, ...narrow.image } }),
  ...((wide.proxyMetadata || narrow.proxyMetadata) && { proxyMetadata: { ...wide.proxyMetadata, ...narrow.proxyMetadata } }),
});
