// Fields at the top level of an object. Tutorials copied from web pages lose their indentation: what should be below spec then
// stands beside it, and the object does nothing. Such fields get one finding that says where they belong.

import { isObject } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import type { KindInfo } from '../kinds.ts';
import type { KubeObjectLike } from '../kube-object.ts';
import { closestName, placesBelow } from '../schema/suggest.ts';
import { renderOutline } from './outline.ts';

const TOP_LEVEL = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];
const METADATA = ['name', 'namespace', 'labels', 'annotations', 'generateName', 'finalizers', 'ownerReferences'];

/** Reports LAT0001 for fields of spec or metadata at the top level, LAT0002 for others nobody knows. */
export function checkTopLevel(object: KubeObjectLike, info: KindInfo, report: Report): void {
  const extra = Object.keys(object).filter((key) => !TOP_LEVEL.includes(key));
  const places = new Map<string, string>();
  for (const key of extra) {
    const place = placeOf(key, info);
    if (place) places.set(key, place);
  }
  if (places.size > 0) reportLost(object, places, report);
  for (const key of extra.filter((name) => !places.has(name))) {
    const guess = closestName(key, TOP_LEVEL);
    report.add({
      code: 'LAT0002',
      level: 'error',
      path: key.slice(0, 60),
      message: `unknown field ${JSON.stringify(key.slice(0, 60))}`,
      fix: guess && `Did you mean ${guess}?`,
    });
  }
}

function placeOf(key: string, info: KindInfo): string | undefined {
  if (info.schema.properties && Object.hasOwn(info.schema.properties, key)) return `spec.${key}`;
  if (METADATA.includes(key)) return `metadata.${key}`;
  const below = placesBelow(info.schema, key, 6)[0];
  return below ? `spec.${below}` : undefined;
}

function reportLost(object: KubeObjectLike, places: Map<string, string>, report: Report): void {
  const names = [...places.keys()];
  const listed = names
    .slice(0, 8)
    .map((name) => `${name} -> ${places.get(name)}`)
    .join(', ');
  const one = names.length === 1;
  report.add({
    code: 'LAT0001',
    level: 'error',
    path: '',
    message: `${names.slice(0, 8).join(', ')} ${one ? 'stands' : 'stand'} at the top level of the object, where ${one ? 'it has' : 'they have'} no effect: the indentation was lost`,
    fix: `Indent ${one ? 'it' : 'them'} (${listed}):\n${corrected(object, places)}`,
  });
}

// Fields whose place is directly below spec or metadata keep their value; deeper ones are only named, because the list they
// belong to cannot be told from here.
function corrected(object: KubeObjectLike, places: Map<string, string>): string {
  const metadata: Record<string, unknown> = isObject(object.metadata) ? { ...object.metadata } : {};
  const spec: Record<string, unknown> = isObject(object.spec) ? { ...object.spec } : {};
  for (const [name, place] of places) {
    if (place === `metadata.${name}`) metadata[name] = object[name];
    if (place === `spec.${name}`) spec[name] = object[name];
  }
  return renderOutline({ apiVersion: object.apiVersion, kind: object.kind, metadata, spec });
}
