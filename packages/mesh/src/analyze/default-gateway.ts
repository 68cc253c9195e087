// The ingress gateway every installation has, for the analysis of files that do not show it.

import type { KubeObject } from '@lateen/kube/types';
import type { AnalyzedObject } from './world.ts';

const LABELS = { istio: 'ingressgateway', app: 'istio-ingressgateway' };
const PORTS: [name: string, port: number, targetPort: number][] = [
  ['status-port', 15021, 15021],
  ['http2', 80, 8080],
  ['https', 443, 8443],
  ['tcp', 31400, 31400],
  ['tls', 15443, 15443],
];

/** Pod and Service of istio-ingressgateway in the root namespace. */
export function defaultGateway(namespace: string): AnalyzedObject[] {
  const metadata = { name: 'istio-ingressgateway', namespace, labels: LABELS };
  const ports = PORTS.map(([name, port, targetPort]) => ({ name, port, targetPort, protocol: 'TCP' }));
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'istio-proxy' }] } };
  const service = { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { istio: 'ingressgateway' }, ports } };
  return [pod, service].map((object) => ({ object: object as unknown as KubeObject }));
}
