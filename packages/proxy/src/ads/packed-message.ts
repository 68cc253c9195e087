// Configuration is looked at rarely and kept for long. A decoded message takes some ten times its bytes, so bytes are what is kept.

import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';

/** The message again, as often as it is asked for: equal each time, the same object only while somebody holds it. */
export function packMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): () => MessageShape<Desc> {
  const bytes = toBinary(schema, message);
  let decoded = new WeakRef<MessageShape<Desc> & object>(message);
  return () => {
    const held = decoded.deref();
    if (held) return held;
    const again = fromBinary(schema, bytes);
    decoded = new WeakRef<MessageShape<Desc> & object>(again);
    return again;
  };
}
