// One error type for everything a person may read: what happened, why, how to mend it, and a code to search for.

export type CodedErrorOptions = {
  /** Stable and searchable, e.g. `LAT0102`. */
  code: string;
  /** What went wrong, one sentence. */
  what: string;
  /** The cause, if known. */
  why?: string;
  /** What the reader can do. */
  fix?: string;
  cause?: unknown;
};

export class CodedError extends Error {
  readonly code: string;
  readonly what: string;
  readonly why: string | undefined;
  readonly fix: string | undefined;

  constructor(options: CodedErrorOptions) {
    super(options.why ? `${options.what}: ${options.why}` : options.what, { cause: options.cause });
    this.name = 'CodedError';
    this.code = options.code;
    this.what = options.what;
    this.why = options.why;
    this.fix = options.fix;
  }
}

/** The message of anything thrown, without "Error: " in front. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system or coded error (`ECONNREFUSED`, `LAT0102`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
