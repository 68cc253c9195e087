import { BODY_NONE, type BodyKind } from './body-parser.ts';

/** What the headers say of the message as a whole; filled by `readRequestFraming` and `readResponseFraming`. */
export class Framing {
  body: BodyKind = BODY_NONE;
  /** For BODY_LENGTH. */
  length = 0;
  /** The sender will keep the connection open after this message. */
  keepAlive = true;
  /** Lower-case protocol of an Upgrade that Connection names; empty without one. */
  upgrade = '';
}
