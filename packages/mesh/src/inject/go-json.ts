// Istio's injector passes every pod through Kubernetes' Go types. What that leaves in its output (canonical quantities, zero
// values dropped, `resources: {}`, the order of keys inside JSON annotations) is compared by tools and people, so we write alike.

import { isObject } from '@lateen/base';
import type { Container, PodSpec } from '@lateen/kube/types';

const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** "2000m" -> "2", "1024Mi" -> "1Gi", 0.5 -> "500m". What is no quantity comes back as it was. */
export function canonicalQuantity(quantity: string | number): string {
  const text = String(quantity);
  const match = /^([+-]?)(\d{0,15})(?:\.(\d{0,9}))?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.exec(text);
  if (!match || (!match[2] && !match[3])) return text;
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match;
  const isBinary = suffix.endsWith('i');
  const scale = isBinary ? 1_000_000_000n * 1024n ** BigInt(BINARY.indexOf(suffix)) : 1000n ** BigInt(DECIMAL.indexOf(suffix));
  const nano = (BigInt(whole + fraction || '0') * scale) / 10n ** BigInt(fraction.length);
  if (nano === 0n) return '0';
  return (sign === '-' ? '-' : '') + (isBinary && nano >= 1024_000_000_000n ? formatBinary(nano / 1_000_000_000n) : formatDecimal(nano));
}

function formatBinary(value: bigint): string {
  let rest = value;
  let exponent = 0;
  while (rest % 1024n === 0n && exponent < BINARY.length - 1) {
    rest /= 1024n;
    exponent++;
  }
  return `${rest}${BINARY[exponent]}`;
}

function formatDecimal(nano: bigint): string {
  let rest = nano;
  let exponent = 0;
  while (rest % 1000n === 0n && exponent < DECIMAL.length - 1) {
    rest /= 1000n;
    exponent++;
  }
  return `${rest}${DECIMAL[exponent]}`;
}

// Fields that Go leaves out when zero. Pointers (runAsUser, privileged, optional …) are not among them.
const OMITTED_WHEN_ZERO = new Set([
  ...['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold', 'hostPort'],
  ...['hostNetwork', 'hostPID', 'hostIPC', 'readOnly', 'stdin', 'stdinOnce', 'tty', 'value', 'protocol', 'creationTimestamp'],
]);

/** The pod spec as Kubernetes' Go types would write it. The input is not changed. */
export function normalizePodSpec(spec: PodSpec): PodSpec {
  const clean = dropZeros(spec) as PodSpec;
  const containers = (list: Container[] | undefined) =>
    list?.map((container) => ({ ...container, resources: normalizeResources(container) }));
  const initContainers = containers(clean.initContainers);
  return { ...clean, containers: containers(clean.containers) ?? [], ...(initContainers ? { initContainers } : {}) };
}

function normalizeResources({ resources }: Container): NonNullable<Container['resources']> {
  const canonical = (list: Record<string, string | number>) =>
    Object.fromEntries(Object.entries(list).map(([name, quantity]) => [name, canonicalQuantity(quantity)]));
  const { limits, requests, ...rest } = resources ?? {};
  return {
    ...rest,
    ...(limits && Object.keys(limits).length > 0 ? { limits: canonical(limits) } : {}),
    ...(requests && Object.keys(requests).length > 0 ? { requests: canonical(requests) } : {}),
  };
}

function dropZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropZeros);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(withDivisor(value))
      .filter(
        ([key, inner]) => inner !== null && inner !== undefined && !(OMITTED_WHEN_ZERO.has(key) && isZero(inner)) && !isEmptyList(inner),
      )
      .map(([key, inner]) => [key, dropZeros(inner)]),
  );
}

// A quantity that is no pointer: Go prints its zero.
function withDivisor(value: Record<string, unknown>): Record<string, unknown> {
  const reference = value['resourceFieldRef'];
  return isObject(reference) && reference['divisor'] === undefined ? { ...value, resourceFieldRef: { ...reference, divisor: '0' } } : value;
}

const isZero = (value: unknown): boolean => value === 0 || value === false || value === '';
const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

// Order of fields in the Go structs that end up inside annotations and variables; the names are disjoint enough for one list.
const FIELD_ORDER = [
  ...[
    'containers',
    'name',
    'image',
    'command',
    'args',
    'workingDir',
    'ports',
    'hostPort',
    'containerPort',
    'protocol',
    'hostIP',
    'envFrom',
  ],
  ...['env', 'value', 'valueFrom', 'resources', 'limits', 'requests', 'claims', 'resizePolicy', 'restartPolicy', 'volumeMounts'],
  ...['readOnly', 'mountPath', 'subPath', 'mountPropagation', 'volumeDevices', 'livenessProbe', 'readinessProbe', 'startupProbe'],
  ...[
    'lifecycle',
    'postStart',
    'preStop',
    'exec',
    'httpGet',
    'path',
    'port',
    'host',
    'scheme',
    'httpHeaders',
    'tcpSocket',
    'grpc',
    'service',
  ],
  ...['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold', 'terminationGracePeriodSeconds'],
  ...[
    'terminationMessagePath',
    'terminationMessagePolicy',
    'imagePullPolicy',
    'securityContext',
    'capabilities',
    'add',
    'drop',
    'privileged',
  ],
  ...['seLinuxOptions', 'windowsOptions', 'runAsUser', 'runAsGroup', 'runAsNonRoot', 'readOnlyRootFilesystem', 'allowPrivilegeEscalation'],
  ...['procMount', 'seccompProfile', 'stdin', 'stdinOnce', 'tty', 'initContainers'],
];
const FIELD_RANK = new Map(FIELD_ORDER.map((field, rank) => [field, rank]));

/** JSON text with the keys in the order of Kubernetes' Go structs, unknown keys sorted behind them. */
export function goJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(byGoOrder)) : inner,
  );
}

function byGoOrder([a]: [string, unknown], [b]: [string, unknown]): number {
  const difference = (FIELD_RANK.get(a) ?? FIELD_ORDER.length) - (FIELD_RANK.get(b) ?? FIELD_ORDER.length);
  return difference !== 0 ? difference : a < b ? -1 : a > b ? 1 : 0;
}
