// The mesh's own certificate authority, kept in Secret "istio-ca-secret" so that restarts and replicas share it, and its root
// as ConfigMap "istio-ca-root-cert" in every namespace.

import { type Clock, type Closable, type Logger, messageOf } from '@lateen/base';
import { createInformer, isAlreadyExists, isNotFound, type KubeClient } from '@lateen/kube';
import type { ConfigMap, KubeObject, Namespace, ResourceRef, Secret } from '@lateen/kube/types';
import { type CertificateAuthority, createCertificateAuthority, loadCertificateAuthority } from '@lateen/pki';

const SECRETS: ResourceRef = { group: '', version: 'v1', resource: 'secrets', namespaced: true };
const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };
const NAMESPACES: ResourceRef = { group: '', version: 'v1', resource: 'namespaces', namespaced: false };
const CA_SECRET = 'istio-ca-secret';
const ROOT_CERT_CONFIG_MAP = 'istio-ca-root-cert';
const SYSTEM_NAMESPACES = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);

/** The stored authority, or a new self-signed one that is stored first. */
export async function loadOrCreateAuthority(client: KubeClient, namespace: string, clock: Clock): Promise<CertificateAuthority> {
  const stored = await readAuthority(client, namespace, clock);
  if (stored) return stored;
  const authority = createCertificateAuthority({ clock });
  const encode = (text: string) => Buffer.from(text).toString('base64');
  const secret: Secret & KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: CA_SECRET, namespace },
    type: 'istio.io/ca-root',
    data: {
      'ca-cert.pem': encode(authority.certPem),
      'ca-key.pem': encode(authority.keyPem),
      'root-cert.pem': encode(authority.rootPem),
      'cert-chain.pem': '',
      'key.pem': '',
    },
  };
  try {
    await client.create(SECRETS, secret);
    return authority;
  } catch (error) {
    // Another replica was first: its authority is the mesh's.
    if (!isAlreadyExists(error)) throw error;
    const other = await readAuthority(client, namespace, clock);
    if (!other) throw error;
    return other;
  }
}

async function readAuthority(client: KubeClient, namespace: string, clock: Clock): Promise<CertificateAuthority | undefined> {
  try {
    const { data = {} } = await client.get<Secret>(SECRETS, { namespace, name: CA_SECRET });
    const decode = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
    return loadCertificateAuthority(
      { certPem: decode('ca-cert.pem'), keyPem: decode('ca-key.pem'), rootPem: decode('root-cert.pem') },
      { clock },
    );
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

export type RootDistributionOptions = { client: KubeClient; rootPem: string; clock: Clock; logger: Logger };

/** Keeps the root certificate in every namespace until closed. */
export function distributeRoot({ client, rootPem, clock, logger }: RootDistributionOptions): Closable {
  const data = { 'root-cert.pem': rootPem };
  const write = (namespace: string): void => {
    const configMap: KubeObject = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: ROOT_CERT_CONFIG_MAP, namespace, labels: { 'istio.io/config': 'true' } },
      data,
    };
    client
      .apply(CONFIG_MAPS, configMap, { force: true })
      // A namespace may vanish meanwhile; anything else comes back with the next event.
      .catch((error: unknown) => logger.debug('cannot write the root certificate', { namespace, error: messageOf(error) }));
  };
  const namespaces = createInformer<KubeObject & Namespace>({
    client,
    resource: NAMESPACES,
    clock,
    logger,
    handlers: {
      onAdd: ({ metadata }) => {
        if (!metadata.deletionTimestamp && !SYSTEM_NAMESPACES.has(metadata.name)) write(metadata.name);
      },
    },
  });
  const copies = createInformer<KubeObject & ConfigMap>({
    client,
    resource: CONFIG_MAPS,
    fieldSelector: `metadata.name=${ROOT_CERT_CONFIG_MAP}`,
    clock,
    logger,
    handlers: {
      onUpdate: (copy) => {
        if (copy.data?.['root-cert.pem'] !== rootPem) write(copy.metadata.namespace ?? 'default');
      },
      onDelete: ({ metadata }) => {
        const home = namespaces.store.get(undefined, metadata.namespace ?? '');
        if (home && !home.metadata.deletionTimestamp) write(home.metadata.name);
      },
    },
  });
  return { close: () => Promise.all([namespaces.close(), copies.close()]).then(() => {}) };
}
