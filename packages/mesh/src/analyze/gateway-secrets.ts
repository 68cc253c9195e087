// Secrets of gateways: missing (IST0101) or unusable (IST0161).

import type { Gateway } from '@lateen/api';
import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import { certificateExpiry, isPem } from './certificate.ts';
import type { Collector } from './collector.ts';
import { selectorText, selects } from './selectors.ts';
import type { World } from './world.ts';

/** `now` is milliseconds since 1970; a certificate that ended before is reported. */
export function analyzeGatewaySecrets(world: World, out: Collector, now: number | undefined): void {
  const secrets = new Map(world.all('', 'Secret').map((secret) => [`${secret.metadata.namespace}/${secret.metadata.name}`, secret]));
  for (const gateway of world.istio('Gateway')) {
    const pod = world.workloads.find(({ labels }) => selects(gateway.spec.selector, labels));
    if (!pod) continue;
    for (const { name, path } of credentialsOf(gateway)) {
      const secret = secrets.get(`${pod.namespace}/${name}`);
      if (!secret) {
        out.add('IST0101', gateway, {
          path,
          message: `Referenced credentialName not found: "${name}"`,
          fix: `The secret must be in namespace ${pod.namespace}, where the pods with ${selectorText(gateway.spec.selector ?? {})} are.`,
        });
        continue;
      }
      const problem = secretProblem(secret, now);
      if (!problem) continue;
      const { namespace, name: gatewayName } = gateway.metadata;
      out.add('IST0161', gateway, {
        path,
        message: `The credential referenced by the Gateway ${gatewayName} in namespace ${namespace} is invalid, which can cause the traffic not to work as expected: secret ${name}: ${problem}.`,
      });
    }
  }
}

function credentialsOf({ spec }: Gateway): { name: string; path: string }[] {
  return (spec.servers ?? []).flatMap(({ tls }, i) => {
    const single = tls?.credentialName ? [{ name: tls.credentialName, path: `spec.servers[${i}].tls.credentialName` }] : [];
    const several = (tls?.credentialNames ?? []).map((name, n) => ({ name, path: `spec.servers[${i}].tls.credentialNames[${n}]` }));
    return [...single, ...several].filter(({ name }) => !name.includes('://'));
  });
}

function secretProblem(secret: KubeObject, now: number | undefined): string | undefined {
  const value = (key: string): string | undefined => {
    const plain = isObject(secret.stringData) ? secret.stringData[key] : undefined;
    if (typeof plain === 'string') return plain;
    const encoded = isObject(secret.data) ? secret.data[key] : undefined;
    return typeof encoded === 'string' ? decodeBase64(encoded) : undefined;
  };
  const certificate = value('tls.crt') ?? value('cert');
  const key = value('tls.key') ?? value('key');
  if (certificate === undefined || key === undefined) return 'it has no certificate and key (tls.crt and tls.key, or cert and key)';
  if (!isPem(key, 'PRIVATE KEY')) return 'its key is not PEM';
  if (!isPem(certificate, 'CERTIFICATE')) return 'its certificate is not PEM';
  const expiry = certificateExpiry(certificate);
  if (expiry === undefined) return 'its certificate cannot be read';
  return now !== undefined && expiry < now ? 'its certificate has expired' : undefined;
}

function decodeBase64(text: string): string | undefined {
  try {
    return atob(text.replace(/\s/g, ''));
  } catch {
    return undefined;
  }
}
