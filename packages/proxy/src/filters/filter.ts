// What an HTTP filter is. One object per configured filter, shared by all requests; what a request needs to remember goes into
// the exchange under the filter's own key.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';

/** `continue`: go on with the next filter. `stop`: the filter answers or calls `exchange.continueRequest()` later. */
export type FilterStep = 'continue' | 'stop';

export interface HttpFilter {
  readonly name: string;
  /** The request's head is complete. Bodies pass by filters. */
  onRequest?(exchange: Exchange): FilterStep;
  /** The answer's head, from upstream or made here, in reverse order of filters. */
  onResponse?(exchange: Exchange, head: Head): void;
  /** The request is over in whatever way: cancel what is under way. */
  onDestroy?(exchange: Exchange): void;
}
