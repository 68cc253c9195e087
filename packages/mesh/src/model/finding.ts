// What the user should hear about their configuration: data, collected and never thrown.

import type { ObjectRef } from './source.ts';

export type Finding = {
  code: string;
  level: 'error' | 'warning' | 'info';
  source: ObjectRef;
  /** Path within the object, e.g. `spec.http[0].route[1].destination.subset`. */
  path: string;
  message: string;
};
