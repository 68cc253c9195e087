// upstream_bind_config: which own addresses connections to hosts come from.

import { parseIp } from '@lateen/base';
import { type BindConfig, BindConfigSchema } from '@lateen/xds/messages/proxy';
import { honours, type Report } from './report.ts';

const check = honours(BindConfigSchema, ['sourceAddress', 'extraSourceAddresses']);

type Source = BindConfig['sourceAddress'];

/** At most one for each version of IP. */
export function compileBindAddresses(config: BindConfig | undefined, report: Report): readonly string[] {
  if (!config) return [];
  check(config, report);
  const addresses = [
    ...addressOf(config.sourceAddress, report.at('source_address')),
    ...config.extraSourceAddresses.flatMap(({ address, socketOptions }, i) => {
      const at = report.at('extra_source_addresses', i);
      if (socketOptions) at.at('socket_options').refuse('is not supported');
      return addressOf(address, at.at('address'));
    }),
  ];
  const families = new Set(addresses.map((address) => address.includes(':')));
  if (families.size < addresses.length) report.at('extra_source_addresses').refuse('must be of the other version of IP');
  return addresses;
}

function addressOf(source: Source, report: Report): string[] {
  if (!source) return [];
  const { address, portSpecifier } = source;
  if (!parseIp(address)) report.at('address').refuse(`${JSON.stringify(address)} is no IP address`);
  if (portSpecifier.case === 'portValue' && portSpecifier.value > 0) report.at('port_value').refuse('a port of its own is not supported');
  return [address];
}
