// Everything an installation of the mesh consists of, apart from the custom resource definitions (`crds()` of @lateen/api):
// a pure function, for the embedded cluster and any other.

import { ISTIO_VERSION, isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import { stringify } from 'yaml';
import { controlPlaneAccess } from './access.ts';
import { ingressGateway } from './ingress-gateway.ts';
import { istiod } from './istiod.ts';
import { webhookConfigurations } from './webhook-configurations.ts';

export type InstallOptions = {
  /** Default istio-system. */
  namespace?: string;
  /** Chart values for the sidecar injector; merged over our own. */
  values?: Readonly<Record<string, unknown>>;
  /** MeshConfig fields; merged over our own. */
  meshConfig?: Readonly<Record<string, unknown>>;
  /** Image registry and path. Default docker.io/istio. */
  hub?: string;
  /** Image tag. */
  tag?: string;
  /** The ingress gateway's HTTP port on its Service. Default 80. */
  gatewayHttpPort?: number;
};

/** What the parts of an installation share. */
export type InstallContext = { namespace: string; hub: string; tag: string; gatewayHttpPort: number };

export function installManifests(options: InstallOptions = {}): KubeObject[] {
  const { namespace = 'istio-system', hub = 'docker.io/istio', tag = ISTIO_VERSION, gatewayHttpPort = 80 } = options;
  const context = { namespace, hub, tag, gatewayHttpPort };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...controlPlaneAccess(context),
    meshConfigMap(context, options.meshConfig ?? {}),
    injectorConfigMap(context, options.values ?? {}),
    ...istiod(context),
    ...ingressGateway(context),
    ...webhookConfigurations(context),
  ];
}

function meshConfigMap({ namespace }: InstallContext, overrides: Readonly<Record<string, unknown>>): KubeObject {
  const mesh = {
    // Only plaintext xDS is built so far; proxies must not try 15012.
    defaultConfig: { discoveryAddress: `istiod.${namespace}.svc:15010` },
    defaultProviders: { metrics: ['prometheus'] },
    enablePrometheusMerge: true,
    rootNamespace: namespace,
    trustDomain: 'cluster.local',
  };
  return configMap('istio', namespace, { mesh: stringify(merge(mesh, overrides)), meshNetworks: 'networks: {}\n' });
}

function injectorConfigMap({ namespace, hub, tag }: InstallContext, overrides: Readonly<Record<string, unknown>>): KubeObject {
  const config = {
    policy: 'enabled',
    defaultTemplates: ['sidecar'],
    alwaysInjectSelector: [],
    neverInjectSelector: [],
    injectedAnnotations: {},
    templates: {},
  };
  const values = merge({ global: { hub, tag, istioNamespace: namespace }, revision: '' }, overrides);
  return configMap('istio-sidecar-injector', namespace, { config: stringify(config), values: JSON.stringify(values, undefined, 2) });
}

const configMap = (name: string, namespace: string, data: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, labels: { release: 'istio' } },
  data,
});

function merge(base: Readonly<Record<string, unknown>>, over: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = Object.hasOwn(merged, key) ? merged[key] : undefined;
    merged[key] = isObject(old) && isObject(value) ? merge(old, value) : value;
  }
  return merged;
}
