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
const MAX_LISTED = 8;

/** Reports LAT0001 for fields of spec or metadata at the top level, LAT0002 for others nobody knows. */
export function checkTopLevel(object: KubeObjectLike, info: KindInfo, report: Report): void {
  const extra = Object.keys(object).filter((key) => !TOP_LEVEL.includes(key));
  const places = new Map<string, string>();
  for (const key of extra) {
    const place = placeOf(key, info);
    if (place) places.set(key, place);
  }
  if (places.size > 0) reportLost(object, places, report);
  // The rest of a flattened object (entries of maps) is a consequence of the same mistake.
  if (places.size > 0) return;
  for (const key of extra) {
    const guess = closestName(key, TOP_LEVEL);
    const path = key.slice(0, 60);
    report.add({
      code: 'LAT0002',
      level: 'error',
      path,
      message: `unknown field ${JSON.stringify(path)}`,
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
  const names = [...places.keys()].slice(0, MAX_LISTED).join(', ');
  const one = places.size === 1;
  report.add({
    code: 'LAT0001',
    level: 'error',
    path: '',
    message: `${names} ${one ? 'stands' : 'stand'} at the top level of the object, where ${one ? 'it has' : 'they have'} no effect: the indentation was lost`,
    fix: `Indent ${one ? 'it' : 'them'} like this:\n${renderOutline(corrected(object, places))}`,
  });
}

// A tree with every misplaced field at its place; fields inside lists appear in a single entry.
function corrected(object: KubeObjectLike, places: Map<string, string>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [name, place] of places) {
    const steps = place.split('.');
    let parent = root;
    for (const step of steps.slice(0, -1)) {
      const field = step.replace('[]', '');
      const existing = parent[field];
      const child: Record<string, unknown> = isObject(existing)
        ? existing
        : Array.isArray(existing) && isObject(existing[0])
          ? existing[0]
          : {};
      parent[field] = step.endsWith('[]') ? [child] : child;
      parent = child;
    }
    if (!(name in parent)) parent[name] = object[name];
  }
  return root;
}
