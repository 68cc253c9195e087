// Semantic rules of ServiceEntry.

import type { Report } from '../findings/report.ts';
import {
  fqdnProblem,
  isIpAddress,
  labelsProblem,
  partialWildcardProblem,
  portNameProblem,
  portProblem,
  subnetProblem,
  wildcardDomainProblem,
} from '../validate/names.ts';
import { isHttpProtocol, isTcpProtocol, isTlsProtocol, protocolProblem } from '../validate/protocol.ts';
import { checkNetworkingSelector } from '../validate/selectors.ts';
import { checkExportTo } from '../validate/values.ts';
import type { ServiceEntry, ServiceEntrySpec } from './service-entry.ts';
import type { WorkloadEntrySpec } from './workload-entry.ts';
import { checkWorkload } from './workload-entry-rules.ts';

export function checkServiceEntry(entry: ServiceEntry, report: Report): void {
  const { metadata, spec } = entry;
  checkNetworkingSelector(spec.workloadSelector, 'service entry', report);
  if (spec.workloadSelector && spec.endpoints) report.error('spec', 'only one of WorkloadSelector or Endpoints can be set');
  checkHosts(spec, report);
  spec.addresses?.forEach((address, i) => {
    report.check(`spec.addresses[${i}]`, subnetProblem(address));
  });
  checkPorts(entry, report);
  checkResolution(spec, report);
  const severalHosts = (spec.hosts?.length ?? 0) > 1;
  const untellable = spec.ports?.some((port) => !isHttpProtocol(port.protocol ?? '') && !isTlsProtocol(port.protocol ?? ''));
  if ((spec.resolution ?? 'NONE') !== 'NONE' && severalHosts && untellable) {
    report.error('spec.ports', 'multiple hosts provided with non-HTTP, non-TLS ports');
  }
  checkExportTo(spec.exportTo, report, { namespace: metadata.namespace ?? '', allowNone: true });
}

function checkHosts(spec: ServiceEntrySpec, report: Report): void {
  if (!spec.hosts?.length) report.error('spec.hosts', 'service entry must have at least one host');
  spec.hosts?.forEach((host, i) => {
    const path = `spec.hosts[${i}]`;
    report.check(path, host === '*' ? 'hostname cannot be wildcard' : wildcardDomainProblem(host));
    const partial = partialWildcardProblem(host);
    if (partial && host !== '*') report.warning(path, partial);
  });
}

/**
 * Whether the mesh gives this entry virtual addresses: none of its own, a resolution that can use them, a host without
 * wildcard, and no opt-out label.
 */
export function isAutoAllocated({ metadata, spec }: Pick<ServiceEntry, 'metadata' | 'spec'>): boolean {
  if (metadata.labels?.['networking.istio.io/enable-autoallocate-ip']?.toLowerCase() === 'false') return false;
  if (spec.addresses?.length || (spec.resolution ?? 'NONE') === 'NONE') return false;
  return spec.hosts?.some((host) => !host.startsWith('*')) ?? false;
}

function checkPorts(entry: ServiceEntry, report: Report): void {
  const { spec } = entry;
  const names = new Set<string>();
  const numbers = new Set<number>();
  spec.ports?.forEach((port, i) => {
    const path = `spec.ports[${i}]`;
    if (names.has(port.name)) report.error(`${path}.name`, `service entry port name ${JSON.stringify(port.name)} already defined`);
    if (numbers.has(port.number)) report.error(`${path}.number`, `port number cannot be duplicated: ${port.number}`);
    names.add(port.name);
    numbers.add(port.number);
    if (port.targetPort) {
      report.check(`${path}.targetPort`, portProblem(port.targetPort));
    }
    const isTcp = !port.protocol || port.protocol === 'TCP';
    if (!spec.addresses?.length && isTcp && !isAutoAllocated(entry)) {
      report.warning(
        path,
        'addresses are required for ports serving TCP (or unset) protocol when addresses are not allocated automatically',
      );
    }
    report.check(`${path}.name`, portNameProblem(port.name ?? ''));
    report.check(`${path}.protocol`, protocolProblem(port.protocol ?? ''));
    report.check(`${path}.number`, portProblem(port.number ?? 0));
  });
}

function checkResolution(spec: ServiceEntrySpec, report: Report): void {
  const resolution = spec.resolution ?? 'NONE';
  const portNames = new Set(spec.ports?.map((port) => port.name));
  if (spec.addresses?.some((address) => address.includes('/')) && resolution !== 'NONE' && resolution !== 'STATIC') {
    report.error('spec.addresses', 'CIDR addresses are allowed only for NONE/STATIC resolution types');
  }
  if (resolution === 'NONE') {
    if (spec.endpoints?.length) report.error('spec.endpoints', 'NONE mode cannot set endpoints', 'Set resolution: STATIC or DNS.');
    if (spec.workloadSelector) report.warning('spec.workloadSelector', 'workloadSelector should not be set when resolution mode is NONE');
    return;
  }
  if (resolution === 'STATIC') {
    spec.endpoints?.forEach((endpoint, i) => {
      checkWorkload(endpoint, `spec.endpoints[${i}]`, { servicePorts: portNames, allowFqdn: false, report });
    });
    return;
  }
  if (resolution === 'DYNAMIC_DNS') return checkDynamicDns(spec, report);
  checkDns(spec, { resolution, portNames, report });
}

function checkDynamicDns(spec: ServiceEntrySpec, report: Report): void {
  if (spec.endpoints?.length) report.error('spec.endpoints', 'DYNAMIC_DNS mode cannot set endpoints');
  if (spec.workloadSelector) report.error('spec.workloadSelector', 'DYNAMIC_DNS mode cannot set workloadSelector');
  if (spec.addresses?.length) report.error('spec.addresses', 'DYNAMIC_DNS mode cannot set addresses');
  spec.hosts?.forEach((host, i) => {
    if (!host.startsWith('*'))
      report.error(`spec.hosts[${i}]`, 'hosts must be wildcards for resolution mode DYNAMIC_DNS', 'Use resolution: DNS for a full name.');
  });
}

type DnsOptions = { resolution: string; portNames: Set<string>; report: Report };

function checkDns(spec: ServiceEntrySpec, { resolution, portNames, report }: DnsOptions): void {
  const endpoints = spec.endpoints ?? [];
  if (endpoints.length === 0) {
    spec.hosts?.forEach((host, i) => {
      if (fqdnProblem(host))
        report.error(`spec.hosts[${i}]`, `hosts must be FQDN if no endpoints are provided for resolution mode ${resolution}`);
    });
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    report.error('spec.endpoints', 'DNS_ROUND_ROBIN mode cannot have multiple endpoints');
  }
  endpoints.forEach((endpoint, i) => {
    checkDnsEndpoint(endpoint, `spec.endpoints[${i}]`, { portNames, report });
  });
  if (spec.workloadSelector)
    report.warning('spec.workloadSelector', `workloadSelector should not be set when resolution mode is ${resolution}`);
  if (spec.addresses?.length && (spec.hosts?.length ?? 0) > 1 && spec.ports?.some((port) => isTcpProtocol(port.protocol ?? ''))) {
    report.warning('spec.hosts', 'service entry can not have more than one host specified simultaneously with address and tcp port');
  }
}

function checkDnsEndpoint(
  endpoint: WorkloadEntrySpec,
  path: string,
  { portNames, report }: { portNames: Set<string>; report: Report },
): void {
  const address = endpoint.address ?? '';
  if (!isIpAddress(address) && fqdnProblem(address)) {
    report.error(`${path}.address`, `endpoint address ${JSON.stringify(address)} is not a valid FQDN or an IP address`);
  }
  report.check(`${path}.labels`, labelsProblem(endpoint.labels));
  for (const [name, port] of Object.entries(endpoint.ports ?? {})) {
    if (!portNames.has(name)) report.error(`${path}.ports[${name}]`, `endpoint port ${port} is not defined by the service entry`);
    report.check(`${path}.ports[${name}]`, portNameProblem(name) ?? portProblem(port));
  }
}
