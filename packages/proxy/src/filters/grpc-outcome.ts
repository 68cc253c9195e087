// What a gRPC status means for the health of the host that gave it: the HTTP status that outlier detection goes by, as in Envoy.

import type { Head } from '../http/head.ts';
import { knownId } from '../http/known-headers.ts';
import { isGrpc } from './grpc-timeout.ts';

const GRPC_STATUS = knownId('grpc-status');

/** By the numbers of gRPC's status codes. */
const HTTP_STATUSES = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** The status to judge a host by; what comes in trailers is too late. */
export function outcomeOf(request: Head, response: Head): number {
  if (response.known(GRPC_STATUS) < 0 || !isGrpc(request)) return response.status;
  const code = response.value('grpc-status') ?? '';
  return /^\d{1,2}$/.test(code) ? (HTTP_STATUSES[Number(code)] ?? 500) : 500;
}
