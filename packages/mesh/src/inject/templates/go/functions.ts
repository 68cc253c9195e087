// The functions of injection templates: Go's own, the common ones of sprig, and Istio's.

import { isObject, jsonEqual } from '@lateen/base';
import type { Container, TemplateMeta } from '@lateen/kube/types';
import { stringify } from 'yaml';
import { excludeInboundPort } from '../../annotations.ts';
import { goJson } from '../../go-json.ts';
import { formatProxyConfig } from '../../proxy-config.ts';
import { trimCharacters } from '../context.ts';
import { otelResourceAttributes } from '../otel-attributes.ts';
import { appendMultusNetwork } from '../sidecar.ts';

export type TemplateFunction = (...args: unknown[]) => unknown;

/** Go's notion of a true value. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isObject(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== '';
}

/** How a value prints. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const record = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});
const own = (value: Record<string, unknown>, key: unknown): unknown => (Object.hasOwn(value, String(key)) ? value[String(key)] : undefined);
const quote = (value: unknown): string => JSON.stringify(textOf(value));
const yaml = (value: unknown): string => stringify(value, { lineWidth: 0 }).replace(/\n$/, '');
const pad = (count: unknown): string => ' '.repeat(Math.min(200, Math.max(0, Number(count))));

/** The first argument like that, which may be undefined, else the last one. */
function firstOr(args: unknown[], isWanted: (arg: unknown) => boolean): unknown {
  const index = args.findIndex(isWanted);
  return index < 0 ? args.at(-1) : args[index];
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return textOf(a) < textOf(b) ? -1 : textOf(a) > textOf(b) ? 1 : 0;
}

function printf(format: unknown, ...args: unknown[]): string {
  let next = 0;
  return textOf(format).replace(/%([sdvqt%])/g, (_match, verb: string) =>
    verb === '%' ? '%' : verb === 'q' ? quote(args[next++]) : textOf(args[next++]),
  );
}

function fromJson(text: unknown): unknown {
  try {
    return JSON.parse(textOf(text), (key, value) => (key === '__proto__' ? undefined : value));
  } catch {
    return '{}';
  }
}

function portsOf(containers: unknown, isWanted: (name: unknown) => boolean): string {
  return list(containers)
    .map(record)
    .filter(({ name }) => isWanted(name))
    .flatMap(({ ports }) => list(ports).map(record))
    .filter(({ protocol }) => protocol !== 'UDP' && protocol !== 'SCTP')
    .map(({ containerPort }) => containerPort)
    .join(',');
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  );
}

const GO: [string, TemplateFunction][] = [
  ['and', (...args) => firstOr(args, (arg) => !isTrue(arg))],
  ['or', (...args) => firstOr(args, isTrue)],
  ['not', (value) => !isTrue(value)],
  ['eq', (first, ...others) => others.some((other) => jsonEqual(first ?? '', other ?? ''))],
  ['ne', (a, b) => !jsonEqual(a ?? '', b ?? '')],
  ['lt', (a, b) => compare(a, b) < 0],
  ['le', (a, b) => compare(a, b) <= 0],
  ['gt', (a, b) => compare(a, b) > 0],
  ['ge', (a, b) => compare(a, b) >= 0],
  ['len', (value) => (typeof value === 'string' || Array.isArray(value) ? value.length : Object.keys(record(value)).length)],
  [
    'index',
    (value, ...keys) => keys.reduce((inner, key) => (Array.isArray(inner) ? inner[Number(key)] : own(record(inner), key)), value) ?? '',
  ],
  ['print', (...args) => args.map(textOf).join('')],
  ['printf', printf],
];

const SPRIG: [string, TemplateFunction][] = [
  ['default', (fallback, value) => (isTrue(value) ? value : fallback)],
  ['empty', (value) => !isTrue(value)],
  ['coalesce', (...args) => args.find(isTrue)],
  ['ternary', (yes, no, condition) => (isTrue(condition) ? yes : no)],
  ['quote', (...args) => args.map(quote).join(' ')],
  ['squote', (...args) => args.map((arg) => `'${textOf(arg)}'`).join(' ')],
  ['list', (...args) => args],
  ['append', (items, item) => [...list(items), item]],
  ['first', (items) => list(items)[0]],
  ['last', (items) => list(items).at(-1)],
  ['has', (item, items) => list(items).some((one) => jsonEqual(one, item))],
  ['join', (separator, items) => list(items).map(textOf).join(textOf(separator))],
  ['splitList', (separator, text) => textOf(text).split(textOf(separator))],
  [
    'dict',
    (...args) => Object.fromEntries(args.flatMap((key, i) => (i % 2 === 0 && key !== '__proto__' ? [[textOf(key), args[i + 1]]] : []))),
  ],
  ['get', (map, key) => own(record(map), key) ?? ''],
  ['hasKey', (map, key) => Object.hasOwn(record(map), textOf(key))],
  ['keys', (map) => Object.keys(record(map))],
  ['omit', (map, ...keys) => Object.fromEntries(Object.entries(record(map)).filter(([key]) => !keys.includes(key)))],
  ['trunc', (length, text) => textOf(text).slice(0, Number(length))],
  ['trim', (text) => textOf(text).trim()],
  ['trimAll', (characters, text) => trimCharacters(textOf(text), textOf(characters))],
  [
    'trimSuffix',
    (suffix, text) =>
      textOf(text).endsWith(textOf(suffix)) ? textOf(text).slice(0, textOf(text).length - textOf(suffix).length) : textOf(text),
  ],
  ['trimPrefix', (prefix, text) => (textOf(text).startsWith(textOf(prefix)) ? textOf(text).slice(textOf(prefix).length) : textOf(text))],
  ['hasPrefix', (prefix, text) => textOf(text).startsWith(textOf(prefix))],
  ['hasSuffix', (suffix, text) => textOf(text).endsWith(textOf(suffix))],
  ['contains', (needle, text) => textOf(text).includes(textOf(needle))],
  ['replace', (from, to, text) => textOf(text).replaceAll(textOf(from), textOf(to))],
  ['lower', (text) => textOf(text).toLowerCase()],
  ['upper', (text) => textOf(text).toUpperCase()],
  ['toString', textOf],
  ['int', (value) => Math.trunc(Number(value)) || 0],
  ['int64', (value) => Math.trunc(Number(value)) || 0],
  ['add', (...args) => args.reduce<number>((sum, arg) => sum + Number(arg), 0)],
  ['sub', (a, b) => Number(a) - Number(b)],
  [
    'nindent',
    (count, text) =>
      `\n${textOf(text)
        .split('\n')
        .map((line) => pad(count) + line)
        .join('\n')}`,
  ],
  ['b64enc', (text) => btoa(textOf(text))],
  ['b64dec', (text) => atob(textOf(text))],
];

const ISTIO: [string, TemplateFunction][] = [
  ['annotation', (meta, name, fallback) => own(record(record(meta)['annotations']), name) ?? textOf(fallback)],
  ['isset', (map, key) => Object.hasOwn(record(map), textOf(key))],
  ['valueOrDefault', (value, fallback) => (value === '' || value === undefined || value === null ? fallback : value)],
  ['excludeInboundPort', (port, excluded) => excludeInboundPort(textOf(port), textOf(excluded))],
  ['includeInboundPorts', (containers) => portsOf(containers, () => true)],
  ['applicationPorts', (containers) => portsOf(containers, (name) => name !== 'istio-proxy')],
  ['kubevirtInterfaces', textOf],
  ['appendMultusNetwork', (existing, network) => appendMultusNetwork(textOf(existing), textOf(network))],
  ['toJSON', (map) => JSON.stringify(map ?? {})],
  ['toJson', (map) => JSON.stringify(map ?? {})],
  ['fromJSON', fromJson],
  ['fromJson', fromJson],
  ['structToJSON', (value) => goJson(value ?? {})],
  ['protoToJSON', (value) => formatProxyConfig(record(value))],
  ['toYaml', yaml],
  // Unlike sprig's: the first line stays where it is.
  [
    'indent',
    (count, text) =>
      textOf(text)
        .split('\n')
        .join(`\n${pad(count)}`),
  ],
  ['omitNil', withoutNulls],
  [
    'otelResourceAttributes',
    (meshConfig, annotations, labels, namespace, containers) =>
      otelResourceAttributes({
        meshConfig: record(meshConfig),
        metadata: { annotations: record(annotations), labels: record(labels) } as TemplateMeta,
        namespace: textOf(namespace),
        containers: list(containers) as Container[],
      }),
  ],
  ['directory', (path) => textOf(path).slice(0, textOf(path).lastIndexOf('/') + 1)],
  ['toLower', (text) => textOf(text).toLowerCase()],
  ['formatDuration', textOf],
  ['env', (_name, fallback) => fallback],
];

/** By name. `env` never reads the environment: injection is pure. */
export const TEMPLATE_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([...GO, ...SPRIG, ...ISTIO]);
