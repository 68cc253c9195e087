// Kubernetes quantities: "500m", "1Gi", "2e3", or a bare number.

import type { Quantity } from '@lateen/kube/types';

const SUFFIXES: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** The quantity as a plain number (cores, bytes), or undefined when malformed. */
export function parseQuantity(quantity: Quantity): number | undefined {
  const match = /^([+-]?[0-9.]{1,20}(?:[eE][+-]?\d{1,2})?)([a-zA-Z]{0,2})$/.exec(String(quantity));
  const factor = match ? SUFFIXES[match[2] as string] : undefined;
  const value = match ? Number(match[1]) : Number.NaN;
  return factor === undefined || Number.isNaN(value) ? undefined : value * factor;
}
