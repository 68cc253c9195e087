// What Kubernetes' admission plugins add to a new pod: its service account, the token volume, default tolerations, priority.

import { delay } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { Core } from '../rest/call.ts';
import { forbidden } from '../status.ts';
import type { Attributes } from './admission.ts';

const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const MODE_0644 = 420;
/** A new namespace's default account is made by a controller; a pod created right after it waits this long. */
const ACCOUNT_WAIT_MS = 2000;
const POLL_MS = 25;

type Fields = Record<string, unknown>;

/** Changes the pod in place. @throws ApiError 403 when the account does not exist */
export async function addServiceAccount(attributes: Attributes, core: Omit<Core, 'admission'>): Promise<void> {
  const pod = attributes.object as KubeObject;
  const spec = pod['spec'] as Fields;
  const name = String(spec['serviceAccountName'] || 'default');
  spec['serviceAccountName'] = name;
  spec['serviceAccount'] = name;
  const account = await findAccount(attributes.namespace ?? '', name, core);
  if (!account && name !== 'default') {
    const { namespace } = attributes;
    throw forbidden(
      attributes.resource,
      attributes.name,
      `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`,
    );
  }
  if (!spec['imagePullSecrets'] && account?.['imagePullSecrets']) spec['imagePullSecrets'] = structuredClone(account['imagePullSecrets']);
  const isMounted = spec['automountServiceAccountToken'] ?? account?.['automountServiceAccountToken'] ?? true;
  if (isMounted) mountToken(spec, core.randomSuffix(5));
  spec['enableServiceLinks'] ??= true;
  spec['priority'] ??= 0;
  spec['preemptionPolicy'] ??= 'PreemptLowerPriority';
  addTolerations(spec);
}

async function findAccount(namespace: string, name: string, core: Omit<Core, 'admission'>): Promise<KubeObject | undefined> {
  const key = { resource: 'serviceaccounts', namespace, name };
  const created = core.store.get({ resource: 'namespaces', namespace: '', name: namespace })?.metadata.creationTimestamp ?? '';
  // Only a young namespace can still be getting its account.
  const isYoung = core.clock.now() - Date.parse(created) < 10_000;
  for (let waited = 0; ; waited += POLL_MS) {
    const found = core.store.get(key);
    if (found || !isYoung || name !== 'default' || waited >= ACCOUNT_WAIT_MS) return found;
    await delay(core.clock, POLL_MS);
  }
}

function mountToken(spec: Fields, suffix: string): void {
  const containers = ['initContainers', 'containers'].flatMap((list) => (spec[list] as Fields[] | undefined) ?? []);
  const volumes = (spec['volumes'] as Fields[] | undefined) ?? [];
  const mountsOf = (container: Fields) => (container['volumeMounts'] as Fields[] | undefined) ?? [];
  const wanting = containers.filter((container) => !mountsOf(container).some((mount) => mount['mountPath'] === TOKEN_PATH));
  if (wanting.length === 0) return;
  const existing = volumes.find((volume) => String(volume['name']).startsWith('kube-api-access-'));
  const name = existing ? String(existing['name']) : `kube-api-access-${suffix}`;
  if (!existing) spec['volumes'] = [...volumes, tokenVolume(name)];
  for (const container of wanting) {
    container['volumeMounts'] = [...mountsOf(container), { name, readOnly: true, mountPath: TOKEN_PATH }];
  }
}

const tokenVolume = (name: string): Fields => ({
  name,
  projected: {
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
    ],
    defaultMode: MODE_0644,
  },
});

function addTolerations(spec: Fields): void {
  const tolerations = (spec['tolerations'] as Fields[] | undefined) ?? [];
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    if (tolerations.some((one) => one['key'] === key || (!one['key'] && one['operator'] === 'Exists'))) continue;
    tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  }
  spec['tolerations'] = tolerations;
}
