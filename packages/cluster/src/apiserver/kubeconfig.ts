// A kubeconfig with everything inside, for kubectl and any other client.

import { stringify } from 'yaml';

export type KubeconfigInput = {
  /** https://HOST:PORT */
  server: string;
  /** PEM of the cluster's CA. */
  ca: string;
  /** PEM pair of a client certificate, e.g. O=system:masters, CN=admin. */
  clientCertificate: string;
  clientKey: string;
  /** Name of cluster, user and context. Default `lateen`. */
  name?: string;
  /** Default namespace of the context. Default `default`. */
  namespace?: string;
};

/** The file's text (YAML). It holds a private key: write it with mode 0600. */
export function renderKubeconfig(input: KubeconfigInput): string {
  const { name = 'lateen', namespace = 'default' } = input;
  const encode = (pem: string) => Buffer.from(pem).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: input.server, 'certificate-authority-data': encode(input.ca) } }],
    users: [{ name, user: { 'client-certificate-data': encode(input.clientCertificate), 'client-key-data': encode(input.clientKey) } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
    'current-context': name,
  });
}
