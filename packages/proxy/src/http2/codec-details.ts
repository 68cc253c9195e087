// What the access log says of messages and connections that broke the protocol: Envoy's words for response code details.

import { FIELDS_TOO_LARGE, FIELDS_TOO_MANY } from './field-reader.ts';
import { MESSAGE_FAULTS } from './message-fields.ts';

/** Of a message that is malformed: `why` says what of it. */
export function malformedDetails(why: string): string {
  if (why === FIELDS_TOO_MANY) return 'http2.too_many_headers';
  if (why === FIELDS_TOO_LARGE) return 'http2.header_list_size_too_large';
  return MESSAGE_FAULTS.has(why) ? 'http2.violation.of.messaging.rule' : 'http2.invalid.header.field';
}

/** Of a connection that the peer's fault has ended. */
export const failureDetails = (why: string): string =>
  why === 'too many empty frames'
    ? 'http2.inbound_empty_frames_flood'
    : `codec_error:${why.charAt(0).toUpperCase()}${why.slice(1).replaceAll(' ', '_')}`;
