import type { Target } from '../target.ts';
import { bootstrap, regex, xds } from './configuration.ts';
import { clientHello, proxyHeader, subjectAltNames } from './connection.ts';
import { chunked, http1Request, http1Response } from './http1.ts';
import { hpack, http2Frames } from './http2.ts';
import { host, path } from './path-and-host.ts';

/** Every target, by its name on the command line. */
export const TARGETS: readonly Target[] = [
  http1Request,
  http1Response,
  chunked,
  http2Frames,
  hpack,
  path,
  host,
  proxyHeader,
  clientHello,
  subjectAltNames,
  xds,
  bootstrap,
  regex,
];
