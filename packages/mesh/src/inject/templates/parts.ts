// Pieces that the sidecar, gateway and gRPC templates share.

import { isObject } from '@lateen/base';
import type { EnvVar, Volume, VolumeMount } from '@lateen/kube/types';
import { goJson } from '../go-json.ts';
import { formatProxyConfig, proxyMetadataOf } from '../proxy-config.ts';
import { valueAt } from '../values.ts';
import { annotationOr, appContainers, interceptionMode, isEnabled, type TemplateContext, textValue } from './context.ts';

const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const resource = (name: string, limit: string): EnvVar => ({ name, valueFrom: { resourceFieldRef: { divisor: '1', resource: limit } } });
export const variable = (name: string, value: string): EnvVar => (value === '' ? { name } : { name, value });

export const cpuLimit: EnvVar = resource('ISTIO_CPU_LIMIT', 'limits.cpu');
export const memoryLimit: EnvVar = resource('GOMEMLIMIT', 'limits.memory');
export const nodeName: EnvVar = field('ISTIO_META_NODE_NAME', 'spec.nodeName');

/** Where the agent gets certificates, and who it is. */
export function identityEnv(context: TemplateContext): EnvVar[] {
  const revision = textValue(context, 'revision');
  const istiod = `istiod${revision === '' ? '' : `-${revision}`}.${textValue(context, 'global.istioNamespace')}.svc:15012`;
  return [
    variable('PILOT_CERT_PROVIDER', textValue(context, 'global.pilotCertProvider')),
    variable('CA_ADDR', textValue(context, 'global.caAddress') || istiod),
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('HOST_IP', 'status.hostIP'),
  ];
}

/** Istio writes the ports as a small indented JSON array. */
export function podPortsEnv({ spec }: TemplateContext): EnvVar {
  const ports = spec.containers.flatMap((container) => container.ports ?? []);
  const lines = ports.map((port, i) => `    ${i === 0 ? '' : ','}${goJson(port)}`);
  return variable('ISTIO_META_POD_PORTS', ['[', ...lines, ']'].join('\n'));
}

export const proxyConfigEnv = ({ proxyConfig }: TemplateContext): EnvVar => variable('PROXY_CONFIG', `${formatProxyConfig(proxyConfig)}\n`);
export const appContainersEnv = (context: TemplateContext): EnvVar =>
  variable('ISTIO_META_APP_CONTAINERS', appContainers(context).join(','));
export const clusterEnv = (context: TemplateContext): EnvVar =>
  variable('ISTIO_META_CLUSTER_ID', textValue(context, 'global.multiCluster.clusterName') || 'Kubernetes');
export const interceptionEnv = (context: TemplateContext): EnvVar => variable('ISTIO_META_INTERCEPTION_MODE', interceptionMode(context));

export function complianceEnv({ config }: TemplateContext): EnvVar[] {
  const policy = config.compliancePolicy;
  if (policy === '') return [];
  return [variable('COMPLIANCE_POLICY', policy), ...(policy === 'fips-140-3' ? [variable('GODEBUG', 'fips140=only')] : [])];
}

export function networkEnv(context: TemplateContext): EnvVar[] {
  const network = textValue(context, 'global.network');
  return network === '' ? [] : [variable('ISTIO_META_NETWORK', network)];
}

export function workloadEnv({ workload }: TemplateContext, workloadName: string): EnvVar[] {
  const owner = `kubernetes://apis/${workload.apiVersion}/namespaces/${workload.namespace || 'default'}/${workload.kind.toLowerCase()}s/${workload.name}`;
  return [
    ...(workloadName === '' ? [] : [variable('ISTIO_META_WORKLOAD_NAME', workloadName)]),
    ...(workload.apiVersion === '' || workload.name === '' ? [] : [variable('ISTIO_META_OWNER', owner)]),
  ];
}

export function meshEnv(context: TemplateContext): EnvVar[] {
  const trustDomain = String(context.config.meshConfig['trustDomain'] ?? '') || textValue(context, 'global.trustDomain');
  const meshId = textValue(context, 'global.meshID') || trustDomain;
  return [
    ...(meshId === '' ? [] : [variable('ISTIO_META_MESH_ID', meshId)]),
    ...(trustDomain === '' ? [] : [variable('TRUST_DOMAIN', trustDomain)]),
  ];
}

export const metadataEnv = ({ proxyConfig }: TemplateContext): EnvVar[] =>
  proxyMetadataOf(proxyConfig).map(([name, value]) => variable(name, value));

/** Arguments of the agent after its role. */
export function agentArgs(context: TemplateContext): string[] {
  const stsPort = Number(valueAt(context.config.values, 'global.sts.servicePort') ?? 0);
  return [
    '--domain',
    `$(POD_NAMESPACE).svc.${textValue(context, 'global.proxy.clusterDomain')}`,
    `--proxyLogLevel=${annotationOr(context, 'sidecar.istio.io/logLevel', 'global.proxy.logLevel')}`,
    `--proxyComponentLogLevel=${annotationOr(context, 'sidecar.istio.io/componentLogLevel', 'global.proxy.componentLogLevel')}`,
    `--log_output_level=${annotationOr(context, 'sidecar.istio.io/agentLogLevel', 'global.logging.level')}`,
    ...(stsPort > 0 ? [`--stsPort=${stsPort}`] : []),
    ...(isEnabled(context, 'global.logAsJson') ? ['--log_as_json'] : []),
  ];
}

/** Start, period and threshold of the readiness probe; zero is Go's "not set". */
export function readinessProbe(context: TemplateContext, { port, annotated }: { port: number; annotated: boolean }) {
  const setting = (name: string, value: string): number => {
    const path = `global.proxy.readiness${value}`;
    return Number(annotated ? annotationOr(context, `readiness.status.sidecar.istio.io/${name}`, path) : textValue(context, path));
  };
  const initialDelaySeconds = setting('initialDelaySeconds', 'InitialDelaySeconds');
  return {
    httpGet: { path: '/healthz/ready', port },
    ...(initialDelaySeconds === 0 ? {} : { initialDelaySeconds }),
    periodSeconds: setting('periodSeconds', 'PeriodSeconds'),
    timeoutSeconds: 3,
    failureThreshold: setting('failureThreshold', 'FailureThreshold'),
  };
}

const mount = (name: string, mountPath: string, readOnly = false): VolumeMount => ({ name, mountPath, ...(readOnly ? { readOnly } : {}) });
const isGke = (context: TemplateContext): boolean => textValue(context, 'global.caName') === 'GkeWorkloadCertificate';
const hasIstiodCa = (context: TemplateContext): boolean => textValue(context, 'global.pilotCertProvider') === 'istiod';

export type VolumeLayout = {
  /** How a scratch volume is written: Istio's sidecar template leaves its source out, the gateway's says emptyDir. */
  plain: Pick<Volume, 'emptyDir'>;
  credentialSocket: boolean;
  crl: boolean;
  /** The volume with the agent's sockets. */
  agentVolume: 'istio-envoy' | 'istio-xds';
  clusterTrustBundles: boolean;
};

export const workloadCertificateMount = (context: TemplateContext): VolumeMount =>
  isGke(context)
    ? mount('gke-workload-certificate', '/var/run/secrets/workload-spiffe-credentials', true)
    : mount('workload-certs', '/var/run/secrets/workload-spiffe-credentials');

export function proxyMounts(context: TemplateContext, layout: VolumeLayout, bootstrap: VolumeMount[] = []): VolumeMount[] {
  return [
    mount('workload-socket', '/var/run/secrets/workload-spiffe-uds'),
    ...(layout.credentialSocket ? [mount('credential-socket', '/var/run/secrets/credential-uds')] : []),
    workloadCertificateMount(context),
    ...(hasIstiodCa(context) ? [mount('istiod-ca-cert', '/var/run/secrets/istio')] : []),
    ...(hasIstiodCa(context) && layout.crl ? [mount('istio-ca-crl', '/var/run/secrets/istio/crl')] : []),
    mount('istio-data', '/var/lib/istio/data'),
    ...bootstrap,
    mount(layout.agentVolume, '/etc/istio/proxy'),
    mount('istio-token', '/var/run/secrets/tokens'),
    ...(isEnabled(context, 'global.mountMtlsCerts') ? [mount('istio-certs', '/etc/certs/', true)] : []),
    mount('istio-podinfo', '/etc/istio/pod'),
  ];
}

export function proxyVolumes(context: TemplateContext, layout: VolumeLayout, bootstrap: Volume[] = []): Volume[] {
  const downward = (path: string) => ({ path, fieldRef: { fieldPath: `metadata.${path}` } });
  const token = { path: 'istio-token', expirationSeconds: 43200, audience: textValue(context, 'global.sds.token.aud') };
  return [
    // Always without a source, so that a SPIRE template can put a CSI driver there.
    { name: 'workload-socket' },
    ...(layout.credentialSocket ? [{ name: 'credential-socket', ...layout.plain }] : []),
    isGke(context)
      ? { name: 'gke-workload-certificate', csi: { driver: 'workloadcertificates.security.cloud.google.com' } }
      : { name: 'workload-certs', ...layout.plain },
    ...bootstrap,
    { name: layout.agentVolume, emptyDir: { medium: 'Memory' } },
    { name: 'istio-data', emptyDir: {} },
    { name: 'istio-podinfo', downwardAPI: { items: [downward('labels'), downward('annotations')] } },
    { name: 'istio-token', projected: { sources: [{ serviceAccountToken: token }] } },
    ...(hasIstiodCa(context) ? [caVolume(context, layout)] : []),
    ...(layout.crl ? [crlVolume(context)] : []),
    ...(isEnabled(context, 'global.mountMtlsCerts') ? [mtlsVolume(context)] : []),
  ];
}

const crlVolume = (context: TemplateContext): Volume => ({
  name: 'istio-ca-crl',
  configMap: { name: textValue(context, 'pilot.crlConfigMapName') || 'istio-ca-crl', optional: true },
});

function caVolume(context: TemplateContext, layout: VolumeLayout): Volume {
  const bundle = textValue(context, 'global.trustBundleName');
  if (layout.clusterTrustBundles && valueAt(context.config.values, 'pilot.env.ENABLE_CLUSTER_TRUST_BUNDLE_API') === true) {
    const clusterTrustBundle = { name: `istio.io:istiod-ca:${bundle || 'root-cert'}`, path: 'root-cert.pem' };
    return { name: 'istiod-ca-cert', projected: { sources: [{ clusterTrustBundle }] } };
  }
  return { name: 'istiod-ca-cert', configMap: { name: bundle || 'istio-ca-root-cert' } };
}

const mtlsVolume = ({ spec }: TemplateContext): Volume => ({
  name: 'istio-certs',
  secret: { optional: true, secretName: `istio.${spec.serviceAccountName || 'default'}` },
});

export function imagePullSecrets({ config }: TemplateContext): { imagePullSecrets?: { name: string }[] } {
  const secrets = valueAt(config.values, 'global.imagePullSecrets');
  return Array.isArray(secrets) && secrets.length > 0 ? { imagePullSecrets: secrets.map((name) => ({ name: String(name) })) } : {};
}

/** sidecar.istio.io/userVolume and userVolumeMount: JSON objects (or lists) of what the user wants in the proxy. */
export const userEntries = (context: TemplateContext, annotation: string): Record<string, unknown>[] =>
  jsonEntries(context, annotation).map(([name, value]) => ({ name, ...(isObject(value) ? value : {}) }));

/** The entries of an annotation with a JSON object, by name, or list. As in Istio, unreadable JSON has none. */
export function jsonEntries({ metadata }: TemplateContext, annotation: string): [string, unknown][] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(metadata.annotations?.[annotation] ?? '{}');
  } catch {
    return [];
  }
  if (Array.isArray(parsed)) return Object.entries(parsed);
  return isObject(parsed) ? Object.entries(parsed).sort(([a], [b]) => (a < b ? -1 : 1)) : [];
}
