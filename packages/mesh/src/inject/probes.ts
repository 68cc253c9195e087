// Probe rewriting: kubelet has no workload certificate, so under strict mTLS its probes must come to the agent's status port,
// which asks the application in its stead. What it must ask travels in ISTIO_KUBE_APP_PROBERS.

import { isObject } from '@lateen/base';
import type { Container, GrpcAction, HttpGetAction, LifecycleHandler, Pod, Probe, TcpSocketAction } from '@lateen/kube/types';
import { goJson } from './go-json.ts';

/** What the agent is told about one probe. */
type Prober = { httpGet?: HttpGetAction; tcpSocket?: TcpSocketAction; grpc?: GrpcAction; timeoutSeconds?: number };

const PROBERS = 'ISTIO_KUBE_APP_PROBERS';
const SIDECAR = 'istio-proxy';

/** Rewrites the probes of all application containers in place and tells the sidecar. */
export function rewriteProbes(
  pod: Pod,
  sidecar: Container,
  { statusPort, wasInjected }: { statusPort: number; wasInjected: boolean },
): void {
  const probers: Record<string, Prober> = {};
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    if (container.name === SIDECAR) continue;
    resolveNamedPorts(container);
    const rewriter = { statusPort, probers };
    const health = (suffix: string): string => `/app-health/${container.name}/${suffix}`;
    const { readinessProbe, livenessProbe, startupProbe } = container;
    if (readinessProbe) container.readinessProbe = rewrite(rewriter, health('readyz'), readinessProbe);
    if (livenessProbe) container.livenessProbe = rewrite(rewriter, health('livez'), livenessProbe);
    if (startupProbe) container.startupProbe = rewrite(rewriter, health('startupz'), startupProbe);
    if (!container.lifecycle) continue;
    const { preStop, postStart } = container.lifecycle;
    container.lifecycle = {
      ...container.lifecycle,
      ...(preStop ? { preStop: rewrite(rewriter, `/app-lifecycle/${container.name}/prestopz`, preStop) } : {}),
      ...(postStart ? { postStart: rewrite(rewriter, `/app-lifecycle/${container.name}/poststartz`, postStart) } : {}),
    };
  }
  if (Object.keys(probers).length > 0) addProbers(sidecar, probers, wasInjected);
}

type Rewriter = { statusPort: number; probers: Record<string, Prober> };

function rewrite<T extends Probe | LifecycleHandler>({ statusPort, probers }: Rewriter, path: string, probe: T): T {
  const prober = proberOf(probe);
  if (!prober) return probe;
  const port = (prober.httpGet ?? prober.tcpSocket ?? prober.grpc)?.port;
  if (prober.httpGet?.path === path) return probe; // rewritten by an earlier injection
  // A port name that no container port has cannot be asked; kubelet then fails the probe as it would anyway.
  if (typeof port === 'number') probers[path] = prober;
  const { tcpSocket: _, grpc: __, httpGet, ...rest } = probe as Probe;
  const { scheme, ...action } = httpGet ?? ({} as HttpGetAction);
  // Towards the agent always plain HTTP; the agent speaks TLS to the application.
  const rewritten = {
    ...action,
    ...(scheme === undefined ? {} : { scheme: scheme === 'HTTPS' ? 'HTTP' : scheme }),
    path,
    port: statusPort,
  };
  return { ...rest, httpGet: rewritten } as T;
}

function proberOf(probe: Probe | LifecycleHandler): Prober | undefined {
  const { httpGet, tcpSocket, grpc, timeoutSeconds } = probe as Probe;
  const timeout = timeoutSeconds ? { timeoutSeconds } : {};
  if (httpGet) return { httpGet, ...timeout };
  if (tcpSocket) return { tcpSocket, ...timeout };
  return grpc ? { grpc, ...timeout } : undefined;
}

// The agent knows no port names.
function resolveNamedPorts(container: Container): void {
  const { readinessProbe, livenessProbe, startupProbe, lifecycle } = container;
  for (const probe of [readinessProbe, livenessProbe, startupProbe, lifecycle?.preStop, lifecycle?.postStart]) {
    const action = probe?.httpGet ?? probe?.tcpSocket;
    if (!action || typeof action.port === 'number') continue;
    const name = action.port;
    const named = container.ports?.find((port) => port.name === name)?.containerPort;
    if (named !== undefined) action.port = named;
    else if (/^\d{1,5}$/.test(name)) action.port = Number(name);
  }
}

function addProbers(sidecar: Container, probers: Record<string, Prober>, wasInjected: boolean): void {
  const existing = wasInjected ? sidecar.env?.find(({ name }) => name === PROBERS) : undefined;
  const known = existing ? parseProbers(existing.value) : {};
  const all = { ...probers, ...known };
  const sorted = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  // Paths are map keys: sorted; what is inside keeps the order of Go's structs.
  const value = `{${Object.entries(sorted)
    .map(([path, prober]) => `${JSON.stringify(path)}:${proberJson(prober)}`)
    .join(',')}}`;
  if (existing) sidecar.env = sidecar.env?.map((one) => (one === existing ? { name: PROBERS, value } : one)) ?? [];
  else sidecar.env = [...(sidecar.env ?? []), { name: PROBERS, value }];
}

const proberJson = ({ timeoutSeconds, ...action }: Prober): string => {
  const text = goJson(action);
  return timeoutSeconds ? `${text.slice(0, -1)},"timeoutSeconds":${timeoutSeconds}}` : text;
};

function parseProbers(text: string | undefined): Record<string, Prober> {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}');
    return isObject(parsed) ? (parsed as Record<string, Prober>) : {};
  } catch {
    return {};
  }
}
