// What an HTTP filter is. One object per configured filter, shared by all requests; what a request needs to remember goes into
// the exchange under the filter's own key.
//
// Bodies pass by filters. One that must see a request's body calls `exchange.addRequestTap` in `onRequest`; one that must see or
// shape the answer's body puts a `StreamFilter` in front of `exchange.stream`. Chains without such filters pay nothing for them.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';

/** `continue`: go on with the next filter. `stop`: the filter answers or calls `exchange.continueRequest()` later. */
export type FilterStep = 'continue' | 'stop';

export interface HttpFilter {
  readonly name: string;
  /** The request's head is complete. */
  onRequest?(exchange: Exchange): FilterStep;
  /** The answer's head, from upstream or made here, in reverse order of filters. */
  onResponse?(exchange: Exchange, head: Head): void;
  /** The request is over in whatever way: cancel what is under way. */
  onDestroy?(exchange: Exchange): void;
}
