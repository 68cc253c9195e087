import { messageOf } from '@lateen/base';
import { ApiError } from '../status.ts';

/** What the node says, as a response: its message reaches the user of kubectl. */
export function nodeError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(400, 'BadRequest', { message: messageOf(error) });
}
