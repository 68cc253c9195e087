// Findings people asked not to see: by flag "CODE=Kind name.namespace", or by the object's annotation.

import { type Finding, formatResourceRef } from '@lateen/api';
import type { World } from './world.ts';

const ANNOTATION = 'galley.istio.io/analyze-suppress';

/** Drops findings that a flag or the object's annotation ("IST0102,IST0108" or "*") suppresses. Names in flags may hold "*". */
export function withoutSuppressed(findings: Finding[], world: World, flags: readonly string[]): Finding[] {
  const byObject = new Map<string, string[]>();
  for (const { object } of world.objects) {
    const codes = object.metadata.annotations?.[ANNOTATION];
    if (codes)
      byObject.set(
        `${object.kind} ${qualified(object.metadata)}`,
        codes.split(',').map((code) => code.trim()),
      );
  }
  const rules = flags.flatMap((flag) => {
    const equals = flag.indexOf('=');
    return equals < 0 ? [] : [{ code: flag.slice(0, equals), pattern: flag.slice(equals + 1) }];
  });
  return findings.filter(({ code, resource }) => {
    if (!resource) return true;
    const name = `${resource.kind} ${qualified(resource)}`;
    const annotated = byObject.get(name);
    if (annotated?.includes('*') || annotated?.includes(code)) return false;
    // Istio documents "Kind name.namespace" and prints "Kind namespace/name"; people write either.
    return !rules.some((rule) => rule.code === code && [name, formatResourceRef(resource)].some((text) => matches(rule.pattern, text)));
  });
}

const qualified = ({ name, namespace }: { name: string; namespace?: string }): string => (namespace ? `${name}.${namespace}` : name);

/** Glob with "*" for any text. */
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  const [first = '', ...rest] = parts;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    at = text.indexOf(part, at);
    if (at < 0 || at + part.length > text.length - last.length) return false;
    at += part.length;
  }
  return true;
}
