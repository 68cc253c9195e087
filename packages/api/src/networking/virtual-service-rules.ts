// Semantic rules of VirtualService.

import { hostMatches } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import { gatewayHostProblem, isIpAddress, labelsProblem, portProblem, subnetProblem, wildcardDomainProblem } from '../validate/names.ts';
import { checkExportTo, isClaimName } from '../validate/values.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { checkHttpRoute, checkWeights } from './http-route-rules.ts';
import { checkUnreachableRules } from './unreachable-rules.ts';
import type { TCPRoute, TLSRoute, VirtualService, VirtualServiceSpec } from './virtual-service.ts';

/** Reports what schema alone cannot: hosts, conflicting actions, weights, expressions, unreachable rules. */
export function checkVirtualService({ metadata, spec }: VirtualService, report: Report): void {
  const isDelegate = !spec.hosts?.length;
  if (isDelegate) {
    for (const field of ['gateways', 'tls', 'tcp'] as const) {
      if (spec[field]?.length) report.error(`spec.${field}`, `delegate virtual service must have no ${field} specified`, 'Or add hosts.');
    }
  }
  checkGatewayNames(spec.gateways, 'spec.gateways', report);
  checkHosts(spec, report);
  if (!gatewayOnly(spec)) checkNoClaims(spec, report);
  if (!spec.http?.length && !spec.tcp?.length && !spec.tls?.length)
    report.error('spec', 'http, tcp or tls must be provided in virtual service');
  spec.http?.forEach((route, i) => {
    checkHttpRoute(route, `spec.http[${i}]`, { isDelegate, report });
  });
  spec.tls?.forEach((route, i) => {
    checkTlsRoute(route, `spec.tls[${i}]`, { spec, report });
  });
  spec.tcp?.forEach((route, i) => {
    checkTcpRoute(route, `spec.tcp[${i}]`, report);
  });
  checkExportTo(spec.exportTo, report, { namespace: metadata.namespace ?? '' });
  checkUnreachableRules(spec, report);
}

/** Whether the rules apply to gateways and not to sidecars. */
const gatewayOnly = (spec: VirtualServiceSpec): boolean => Boolean(spec.gateways?.length) && !spec.gateways?.includes('mesh');

function checkHosts(spec: VirtualServiceSpec, report: Report): void {
  const hosts = spec.hosts ?? [];
  const sni = Boolean(spec.tls?.some((route) => route.match?.some((match) => match.sniHosts?.length)));
  let valid = true;
  hosts.forEach((host, i) => {
    const path = `spec.hosts[${i}]`;
    const problem = gatewayOnly(spec) ? gatewayHostProblem(host, sni) : wildcardDomainProblem(host);
    if (problem && isIpAddress(host)) return;
    if (problem) report.error(path, problem);
    else if (host === '*' && !gatewayOnly(spec)) {
      report.error(
        path,
        'wildcard host * is not allowed for virtual services bound to the mesh gateway',
        'Name a gateway under gateways, or the hosts.',
      );
    } else return;
    valid = false;
  });
  if (!valid) return;
  hosts.forEach((host, i) => {
    for (const other of hosts.slice(i + 1)) {
      if (hostMatches(host, other) || hostMatches(other, host)) {
        report.error(`spec.hosts[${i}]`, `duplicate hosts in virtual service: ${host} & ${other}`);
      }
    }
  });
}

function checkNoClaims(spec: VirtualServiceSpec, report: Report): void {
  spec.http?.forEach((route, r) => {
    route.match?.forEach((match, m) => {
      for (const field of ['headers', 'withoutHeaders'] as const) {
        for (const name of Object.keys(match[field] ?? {}).filter(isClaimName)) {
          report.error(
            `spec.http[${r}].match[${m}].${field}[${name}]`,
            `JWT claim based routing (key: ${name}) is only supported for gateway, found no gateways: [${(spec.gateways ?? []).join(' ')}]`,
          );
        }
      }
    });
  });
}

function checkTlsRoute(route: TLSRoute, path: string, { spec, report }: { spec: VirtualServiceSpec; report: Report }): void {
  if (!route.match?.length) report.error(`${path}.match`, 'TLS route must have at least one match condition');
  route.match?.forEach((match, i) => {
    if (!match.sniHosts?.length) report.error(`${path}.match[${i}].sniHosts`, 'TLS match must have at least one SNI host');
    match.sniHosts?.forEach((host, h) => {
      checkSniHost(host, `${path}.match[${i}].sniHosts[${h}]`, { spec, report });
    });
    checkL4Match(match, `${path}.match[${i}]`, report);
  });
  if (!route.route?.length) report.error(`${path}.route`, 'TLS route is required');
  checkWeights(route.route, `${path}.route`, report);
}

function checkSniHost(host: string, path: string, { spec, report }: { spec: VirtualServiceSpec; report: Report }): void {
  const problem = gatewayOnly(spec) ? gatewayHostProblem(host, true) : wildcardDomainProblem(host);
  if (problem && isIpAddress(host)) {
    report.warning(path, `using an IP address (${JSON.stringify(host)}) goes against SNI spec and most clients do not support this`);
  } else if (problem) report.error(path, problem);
  else if (!spec.hosts?.some((pattern) => hostMatches(pattern, host))) {
    report.error(
      path,
      `SNI host ${JSON.stringify(host)} is not a compatible subset of any of the virtual service hosts: [${(spec.hosts ?? []).join(', ')}]`,
    );
  }
}

function checkTcpRoute(route: TCPRoute, path: string, report: Report): void {
  route.match?.forEach((match, i) => {
    checkL4Match(match, `${path}.match[${i}]`, report);
  });
  if (!route.route?.length) report.error(`${path}.route`, 'TCP route is required');
  checkWeights(route.route, `${path}.route`, report);
}

type L4Match = { destinationSubnets?: string[]; port?: number; sourceLabels?: Record<string, string>; gateways?: string[] };

function checkL4Match(match: L4Match, path: string, report: Report): void {
  match.destinationSubnets?.forEach((subnet, i) => {
    report.check(`${path}.destinationSubnets[${i}]`, subnetProblem(subnet));
  });
  if (match.port) report.check(`${path}.port`, portProblem(match.port));
  report.check(`${path}.sourceLabels`, labelsProblem(match.sourceLabels));
  checkGatewayNames(match.gateways, `${path}.gateways`, report);
}
