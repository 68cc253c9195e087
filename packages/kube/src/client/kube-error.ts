import { CodedError, isObject } from '@lateen/base';
import type { Status } from '../types/index.ts';

/** A request that the API server refused; carries the HTTP status and the server's Status object. */
export class KubeError extends CodedError {
  readonly httpStatus: number;
  /** Status reason, e.g. NotFound, Conflict; empty when the server gave none. */
  readonly reason: string;
  readonly status: Partial<Status>;

  constructor(httpStatus: number, status: Partial<Status>, request: string) {
    const answered = `${request} failed with ${httpStatus}${status.reason ? ` ${status.reason}` : ''}`;
    super({
      code: 'LAT2102',
      // The API server's sentence is about the object that people asked for; a text from something in between may be a page of HTML.
      ...(status.kind && status.message
        ? { what: status.message, why: answered }
        : { what: answered, ...(status.message && { why: status.message }) }),
    });
    this.name = 'KubeError';
    this.httpStatus = httpStatus;
    this.reason = status.reason ?? '';
    this.status = status;
  }
}

const has = (error: unknown, httpStatus: number, reasons: string[]): boolean =>
  error instanceof KubeError && (error.reason === '' ? error.httpStatus === httpStatus : reasons.includes(error.reason));

export const isNotFound = (error: unknown): boolean => has(error, 404, ['NotFound']);
/** The object changed in between (or a server-side apply met another owner). */
export const isConflict = (error: unknown): boolean => has(error, 409, ['Conflict']);
export const isAlreadyExists = (error: unknown): boolean => has(error, 409, ['AlreadyExists']);
/** The resource version or continue token is too old: list again. */
export const isGone = (error: unknown): boolean => has(error, 410, ['Gone', 'Expired']);

/** Reads an error body, which is a Status, or text from something in between. */
export function kubeErrorOf(httpStatus: number, body: string, request: string): KubeError {
  let status: Partial<Status> = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (isObject(parsed) && parsed['kind'] === 'Status') status = parsed as Partial<Status>;
    else status = { message: body.slice(0, 500) };
  } catch {
    status = { message: body.trim().slice(0, 500) };
  }
  return new KubeError(httpStatus, status, request);
}
