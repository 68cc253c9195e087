// Where and when a line is written. `observe/access-log.ts` turns this into closures over the request record.

import type { Format, JsonFormat } from './format.ts';

export type AccessLogRuntime = {
  /** `path` "/dev/stdout" and "/dev/stderr" are the embedder's sinks. */
  readonly path: string;
  readonly format:
    | { readonly kind: 'text'; readonly text: Format }
    | { readonly kind: 'json'; readonly fields: JsonFormat; readonly omitEmpty: boolean };
  readonly filter: AccessLogFilter | undefined;
};

export type AccessLogFilter =
  | { readonly kind: 'status_code' | 'duration'; readonly op: 'eq' | 'ge' | 'le'; readonly value: number }
  | { readonly kind: 'not_health_check' }
  | { readonly kind: 'runtime'; readonly fraction: number }
  | { readonly kind: 'and' | 'or'; readonly filters: readonly AccessLogFilter[] }
  | { readonly kind: 'header'; matches(header: (name: string) => string | undefined): boolean }
  /** Empty = any flag. */
  | { readonly kind: 'response_flag'; readonly flags: readonly string[] }
  | { readonly kind: 'grpc_status'; readonly statuses: readonly number[]; readonly exclude: boolean };
