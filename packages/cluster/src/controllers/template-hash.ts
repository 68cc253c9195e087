import { createHash } from 'node:crypto';
import { jsonEqual, stableStringify } from '@lateen/base';
import type { PodTemplateSpec } from '@lateen/kube/types';

export const TEMPLATE_HASH_LABEL = 'pod-template-hash';

/** Without vowels and easily confused digits, as Kubernetes does it, so that no words appear. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** A short name part for any value: equal values, equal hash. */
export function hashOf(value: unknown, length = 10): string {
  const bytes = createHash('sha256').update(stableStringify(value)).digest();
  return [...bytes.subarray(0, length)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

/** Whether two templates make the same pods; the label with their hash does not count. */
export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return jsonEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { [TEMPLATE_HASH_LABEL]: _, ...labels } = template.metadata?.labels ?? {};
  const { creationTimestamp: __, ...metadata } = template.metadata ?? {};
  return { ...template, metadata: { ...metadata, labels } };
}
