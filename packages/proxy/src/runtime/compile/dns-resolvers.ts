// Which servers resolve names: those of the system, unless a cluster or the bootstrap has others.

import { parseIp } from '@lateen/base';
import { type Cluster, caresDnsResolver, getAddrInfoDnsResolver } from '@lateen/xds/messages/proxy';
import { compileAny, extension } from './any.ts';
import { honours, type Report } from './report.ts';
import { socketAddressOf } from './values.ts';

// Options that tune c-ares: there is nothing of the kind here. Search domains are never added to names.
const checkCares = honours(
  caresDnsResolver.CaresDnsResolverConfigSchema,
  caresDnsResolver.CaresDnsResolverConfigSchema.fields.map((field) => field.localName).filter((name) => name !== 'useResolversAsFallback'),
);

type Fields = Pick<Cluster, 'typedDnsResolverConfig'> & Partial<Pick<Cluster, 'dnsResolutionConfig' | 'dnsResolvers'>>;
type Addresses = Cluster['dnsResolvers'];

/** "ip:port", IPv6 in brackets; empty: the system's. */
export function compileResolvers(fields: Fields, report: Report): readonly string[] {
  const { typedDnsResolverConfig: typed, dnsResolutionConfig: config, dnsResolvers = [] } = fields;
  if (typed) {
    const at = report.at('typed_dns_resolver_config').at('typed_config');
    return compileAny(typed.typedConfig, CASES, at) ?? [];
  }
  if (config) return serversOf(config.resolvers, report.at('dns_resolution_config'), 'resolvers');
  return serversOf(dnsResolvers, report, 'dns_resolvers');
}

const CASES = [
  extension(caresDnsResolver.CaresDnsResolverConfigSchema, (message, report) => {
    checkCares(message, report);
    return serversOf(message.resolvers, report, 'resolvers');
  }),
  extension(getAddrInfoDnsResolver.GetAddrInfoDnsResolverConfigSchema, () => []),
];

function serversOf(addresses: Addresses, report: Report, field: string): string[] {
  return addresses.flatMap((each, i) => {
    const address = socketAddressOf(each, report.at(field, i), { protocols: 'any' });
    if (!address) return [];
    if (!parseIp(address.host)) report.at(field, i).refuse(`${JSON.stringify(address.host)} is no IP address`);
    return [`${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port || 53}`];
  });
}
