// The installation of the mesh into the embedded cluster: the same objects that an installation on any cluster has.

import { crds } from '@lateen/api';
import { installManifests } from '@lateen/control';
import type { KubeClient } from '@lateen/kube';
import type { KubeObject, Service } from '@lateen/kube/types';
import { applyObjects } from './apply-objects.ts';
import type { Progress } from './progress.ts';
import { waitForDeployments } from './wait-for-deployments.ts';

export const ISTIO_NAMESPACE = 'istio-system';
const READY_TIMEOUT_MS = 60_000;
const SERVICES = { group: '', version: 'v1', resource: 'services', namespaced: true };

export type InstallOptions = { client: KubeClient; progress: Progress; gatewayHttpPort: number; signal: AbortSignal };

/** Applies definitions, control plane and ingress gateway, and waits until both serve. Safe to repeat. */
export async function installMesh({ client, progress, gatewayHttpPort, signal }: InstallOptions): Promise<void> {
  const objects = [...crds(), ...installManifests({ namespace: ISTIO_NAMESPACE, gatewayHttpPort })] as KubeObject[];
  await progress.step('mesh installed', () => applyObjects(client, objects, ISTIO_NAMESPACE));
  const ready = (names: string[]) => () => waitForDeployments(client, ISTIO_NAMESPACE, { names, timeoutMs: READY_TIMEOUT_MS, signal });
  await progress.step('control plane ready', ready(['istiod']));
  await progress.step('ingress gateway ready', ready(['istio-ingressgateway']), () => '');
}

/** The base URL of the ingress gateway from its Service, as the tutorials compute it; undefined without an address. */
export async function gatewayUrl(client: KubeClient): Promise<string | undefined> {
  const service = await client.get<Service>(SERVICES, { namespace: ISTIO_NAMESPACE, name: 'istio-ingressgateway' });
  const [ingress] = service.status?.loadBalancer?.ingress ?? [];
  const host = ingress?.hostname ?? ingress?.ip;
  const port = service.spec.ports?.find(({ name }) => name === 'http2')?.port;
  if (host === undefined || port === undefined) return undefined;
  return port === 80 ? `http://${host}` : `http://${host}:${port}`;
}
