// Where and when a line is written. `observe/access-log.ts` turns this into closures over the request record.

import type { CelProgram } from '@lateen/base/cel';
import type { Format, JsonFormat } from './format.ts';
import type { RequestView } from './route.ts';

export type AccessLogRuntime = {
  /** `path` "/dev/stdout" and "/dev/stderr" are the embedder's sinks. */
  readonly path: string;
  readonly format:
    | { readonly kind: 'text'; readonly text: Format; readonly omitEmpty: boolean }
    | { readonly kind: 'json'; readonly fields: JsonFormat; readonly omitEmpty: boolean };
  readonly filter: AccessLogFilter | undefined;
};

export type AccessLogFilter =
  | {
      readonly kind: 'status_code' | 'duration';
      readonly op: 'eq' | 'ge' | 'le' | 'ne';
      /** Unless the runtime has the key. */
      readonly value: number;
      readonly runtimeKey: string;
    }
  | { readonly kind: 'not_health_check' }
  | {
      readonly kind: 'runtime';
      readonly runtimeKey: string;
      /** Of `denominator` requests, unless the runtime has the key. */
      readonly numerator: number;
      readonly denominator: number;
      /** Drawn anew for each log; otherwise requests with the same id are treated alike. */
      readonly isIndependent: boolean;
    }
  | { readonly kind: 'traceable' }
  /** Passes what it finds true. */
  | { readonly kind: 'expression'; readonly program: CelProgram }
  | { readonly kind: 'metadata'; matches(view: RequestView): boolean }
  | { readonly kind: 'log_type'; readonly types: readonly string[]; readonly exclude: boolean }
  | { readonly kind: 'and' | 'or'; readonly filters: readonly AccessLogFilter[] }
  | { readonly kind: 'header'; matches(header: (name: string) => string | undefined): boolean }
  /** Empty = any flag. */
  | { readonly kind: 'response_flag'; readonly flags: readonly string[] }
  | { readonly kind: 'grpc_status'; readonly statuses: readonly number[]; readonly exclude: boolean };
