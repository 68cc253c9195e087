// The pieces that all tables are made of.

import { isObject } from '@lateen/base';
import type { Column } from '../registry/resource.ts';

export const nameColumn: Column = { name: 'Name', type: 'string', format: 'name', value: (object) => object.metadata.name };
export const ageColumn: Column = { name: 'Age', type: 'string', value: (object, nowMs) => age(object.metadata.creationTimestamp, nowMs) };

/** A column shown by default. */
export const column = (name: string, value: Column['value'], type = 'string'): Column => ({ name, type, value });
/** A column shown with -o wide. */
export const wide = (name: string, value: Column['value'], type = 'string'): Column => ({ name, type, priority: 1, value });

/** The value at a dotted path, undefined where it breaks off. */
export function at(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

export const list = <T = Record<string, unknown>>(object: unknown, path: string): T[] => {
  const value = at(object, path);
  return Array.isArray(value) ? (value as T[]) : [];
};

/** Time since, as kubectl prints it. */
export function age(time: unknown, nowMs: number): string {
  const since = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(since) ? '<unknown>' : humanDuration(nowMs - since);
}

/** 90000 -> "90s", 7200000 -> "120m", with at most two units, as kubectl prints ages. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return pair(minutes, 'm', `${seconds % 60}s`);
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return pair(hours, 'h', `${minutes % 60}m`);
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return pair(days, 'd', `${hours % 24}h`);
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? pair(years, 'y', `${days % 365}d`) : `${years}y`;
}

const pair = (count: number, unit: string, rest: string): string => `${count}${unit}${rest.startsWith('0') ? '' : rest}`;

/** `a=1,b=2`, or "<none>". */
export function selectorText(selector: unknown): string {
  const labels = isObject(selector) && isObject(selector['matchLabels']) ? selector['matchLabels'] : selector;
  if (!isObject(labels)) return '<none>';
  const pairs = Object.entries(labels).filter(([, value]) => typeof value === 'string');
  return pairs.length === 0
    ? '<none>'
    : pairs
        .map(([key, value]) => `${key}=${value}`)
        .sort()
        .join(',');
}
