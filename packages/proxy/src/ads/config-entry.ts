// A resource of the configuration, as bytes: a decoded message takes some ten times as much memory, and few are ever looked at.

import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';

export type ConfigEntryInit<T> = {
  readonly name: string;
  /** Encoded. */
  readonly bytes: Uint8Array;
  readonly compiled: T;
  readonly version: string;
  readonly lastUpdatedMs: number;
  /** From the bootstrap, not from ADS. */
  readonly isStatic: boolean;
};

/** One resource as the admin interface shows it. */
export class ConfigEntry<M extends Message = Message, T = unknown> implements ConfigEntryInit<T> {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly compiled: T;
  readonly version: string;
  readonly lastUpdatedMs: number;
  readonly isStatic: boolean;
  private readonly schema: DescMessage;

  /** `bytes` must be a message of `schema`. */
  constructor(schema: DescMessage, init: ConfigEntryInit<T>) {
    this.schema = schema;
    this.name = init.name;
    this.bytes = init.bytes;
    this.compiled = init.compiled;
    this.version = init.version;
    this.lastUpdatedMs = init.lastUpdatedMs;
    this.isStatic = init.isStatic;
  }

  /** Decoded anew each time. */
  get message(): M {
    return fromBinary(this.schema, this.bytes) as Message as M;
  }
}
