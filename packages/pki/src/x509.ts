// @peculiar/x509, loaded when the first certificate or request is taken apart: it costs some 7 MB, and a proxy whose peers
// OpenSSL judges never needs it.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
let loaded: typeof import('@peculiar/x509') | undefined;

/** The library. Throws when it cannot be loaded. */
export function x509(): typeof import('@peculiar/x509') {
  if (!loaded) {
    require('reflect-metadata'); // @peculiar/x509 throws without it
    loaded = require('@peculiar/x509') as typeof import('@peculiar/x509');
  }
  return loaded;
}
