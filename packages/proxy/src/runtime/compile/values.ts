// Scalars and small shared messages.

import { type Cidr, fail, type Json, messageOf, ok, parseCidr, type Result } from '@lateen/base';
import type { Address, CidrRange, DataSource, FractionalPercent, Metadata, RuntimeFractionalPercent } from '@lateen/xds/messages/proxy';
import { FractionalPercent_DenominatorType } from '@lateen/xds/messages/proxy';
import type { RuntimeMetadata, Share } from '../model.ts';
import type { Report } from './report.ts';

type DurationMessage = { seconds: bigint; nanos: number };

/** Milliseconds, fractions kept. */
export const durationMs = (duration: DurationMessage): number => Number(duration.seconds) * 1000 + duration.nanos / 1e6;

export const durationMsOr = <T>(duration: DurationMessage | undefined, otherwise: T): number | T =>
  duration ? durationMs(duration) : otherwise;

const DENOMINATOR: Record<number, number> = {
  [FractionalPercent_DenominatorType.HUNDRED]: 100,
  [FractionalPercent_DenominatorType.TEN_THOUSAND]: 10_000,
  [FractionalPercent_DenominatorType.MILLION]: 1_000_000,
};

/** Of how many the numerator is. */
export const denominatorOf = (percent: FractionalPercent | undefined): number => DENOMINATOR[percent?.denominator ?? 0] ?? 100;

/** A share from 0 to 1. */
export const fractionOf = (percent: FractionalPercent | undefined): number =>
  percent ? Math.min(1, percent.numerator / denominatorOf(percent)) : 0;

/** Unset means always. */
export const shareOf = (fraction: RuntimeFractionalPercent | undefined): Share =>
  fraction ? { fraction: fractionOf(fraction.defaultValue), runtimeKey: fraction.runtimeKey } : ALWAYS;

const ALWAYS: Share = { fraction: 1, runtimeKey: '' };
export const NEVER: Share = { fraction: 0, runtimeKey: '' };

const NO_METADATA: RuntimeMetadata = new Map();

export function metadataOf(metadata: Metadata | undefined): RuntimeMetadata {
  if (!metadata) return NO_METADATA;
  return new Map(Object.entries(metadata.filterMetadata) as [string, { readonly [key: string]: Json }][]);
}

/** A string inside metadata, e.g. `metadataText(m, 'istio', 'config')`. */
export function metadataText(metadata: RuntimeMetadata, namespace: string, key: string): string | undefined {
  const fields = metadata.get(namespace);
  const value = fields && Object.hasOwn(fields, key) ? fields[key] : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** metadata_match for endpoint subsets: only the namespace that Envoy's load balancer reads. */
export function lbMetadataOf(metadata: Metadata | undefined): { readonly [key: string]: Json } | undefined {
  return metadataOf(metadata).get('envoy.lb');
}

/** Bytes or text in the message itself, or in a file where there are files. The environment belongs to the process and is refused. */
export function inlineTextOf(source: DataSource | undefined, report: Report): string {
  switch (source?.specifier.case) {
    case undefined:
      return '';
    case 'inlineString':
      return source?.specifier.value as string;
    case 'inlineBytes':
      return new TextDecoder().decode(source?.specifier.value as Uint8Array);
    case 'filename':
      return report.at('filename').take(readTextFile(source.specifier.value as string)) ?? '';
    case 'environmentVariable':
      report.refuse('environment_variable is not supported here; use inline_string');
      return '';
  }
}

// Taken from the process at hand, so that this module loads where there are no files (a browser).
function readTextFile(path: string): Result<string> {
  const fs = globalThis.process?.getBuiltinModule?.('node:fs');
  if (!fs) return fail('files cannot be read here; use inline_string');
  try {
    return ok(fs.readFileSync(path, 'utf8'));
  } catch (error) {
    return fail(messageOf(error));
  }
}

/** An IP socket address; anything else is refused. */
export function socketAddressOf(
  address: Address | undefined,
  report: Report,
  { protocols = 'tcp' }: { protocols?: 'tcp' | 'any' } = {},
): { host: string; port: number } | undefined {
  if (address?.address.case !== 'socketAddress') {
    report.refuse(address?.address.case ? `${address.address.case} addresses are not supported` : 'address is missing');
    return undefined;
  }
  const socket = address.address.value;
  if (socket.protocol !== 0 && protocols === 'tcp') report.at('socket_address').refuse('only TCP is supported');
  if (socket.portSpecifier.case === 'namedPort') report.at('socket_address').refuse('named_port is not supported');
  if (socket.resolverName !== '') report.at('socket_address').refuse('resolver_name is not supported');
  return { host: socket.address, port: socket.portSpecifier.case === 'portValue' ? socket.portSpecifier.value : 0 };
}

export function cidrOf(range: CidrRange, report: Report): Cidr | undefined {
  const slash = range.prefixLen === undefined ? '' : `/${range.prefixLen}`;
  return report.take(parseCidr(`${range.addressPrefix}${slash}`));
}
