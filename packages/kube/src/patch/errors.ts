import { CodedError } from '@lateen/base';

/** `malformed`: the patch is not one (HTTP 400). `inapplicable`: it does not fit the object (HTTP 422). */
export type PatchErrorReason = 'malformed' | 'inapplicable';

export class PatchError extends CodedError {
  readonly reason: PatchErrorReason;

  constructor(reason: PatchErrorReason, what: string) {
    super({ code: 'LAT2101', what });
    this.name = 'PatchError';
    this.reason = reason;
  }
}
