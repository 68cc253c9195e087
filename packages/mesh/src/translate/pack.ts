// Small builders for xDS messages.

import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { type Any, anyPack, type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { parseDuration } from '@lateen/base';
import {
  type ConfigSource,
  ConfigSourceSchema,
  FractionalPercent_DenominatorType,
  SocketAddress_Protocol,
} from '@lateen/xds/messages/config';

/** The plain object form of a message, so that parts can be spread together. */
export type InitOf<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, MessageShape<Desc>>;

/** A message as an Any. */
export function pack<Desc extends DescMessage>(schema: Desc, init?: MessageInitShape<Desc>): Any {
  return anyPack(schema, create(schema, init));
}

/** A named extension with its typed config: a filter, an access logger, a transport socket. */
export function extension<Desc extends DescMessage>(name: string, schema: Desc, init?: MessageInitShape<Desc>) {
  return { name, configType: { case: 'typedConfig' as const, value: pack(schema, init) } };
}

export function durationOf(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}

/** A Go duration as protobuf, or undefined when absent or unreadable (validation has reported that). */
export function goDuration(text: string | undefined): Duration | undefined {
  if (text === undefined) return undefined;
  const parsed = parseDuration(text);
  return parsed.ok ? durationOf(parsed.value) : undefined;
}

/** Percent (0 to 100, fractions allowed) in millionths, as Istio writes it. */
export function fractionalPercent(percent: number) {
  return { numerator: Math.round(percent * 10_000), denominator: FractionalPercent_DenominatorType.MILLION };
}

export function socketAddress(address: string, port: number) {
  return {
    address: {
      case: 'socketAddress' as const,
      value: { address, protocol: SocketAddress_Protocol.TCP, portSpecifier: { case: 'portValue' as const, value: port } },
    },
  };
}

/** "From this ADS stream", waiting as long as it takes. */
export function adsSource(): ConfigSource {
  return create(ConfigSourceSchema, {
    configSourceSpecifier: { case: 'ads', value: {} },
    initialFetchTimeout: { seconds: 0n, nanos: 0 },
    resourceApiVersion: 2,
  });
}

/** Metadata under the `istio` namespace. */
export function istioMetadata(fields: Record<string, string | number | (string | number | Record<string, string>)[]>) {
  return { filterMetadata: { istio: fields } };
}
