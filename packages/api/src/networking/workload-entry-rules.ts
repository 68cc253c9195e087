// Semantic rules of WorkloadEntry and WorkloadGroup.

import type { Report } from '../findings/report.ts';
import { fqdnProblem, isIpAddress, labelsProblem, portNameProblem, portProblem, UNIX_PREFIX, unixPathProblem } from '../validate/names.ts';
import { headerNameProblem } from '../validate/values.ts';
import type { WorkloadEntry, WorkloadEntrySpec } from './workload-entry.ts';
import type { WorkloadGroup } from './workload-group.ts';

type WorkloadOptions = {
  /** Port names of the ServiceEntry the workload belongs to; undefined when unknown. */
  servicePorts?: Set<string>;
  allowFqdn: boolean;
  report: Report;
};

export function checkWorkloadEntry({ spec }: WorkloadEntry, report: Report): void {
  checkWorkload(spec, 'spec', { allowFqdn: true, report });
}

/** A WorkloadEntry's spec or an endpoint of a ServiceEntry. */
export function checkWorkload(spec: WorkloadEntrySpec, path: string, { servicePorts, allowFqdn, report }: WorkloadOptions): void {
  const address = spec.address ?? '';
  if (address === '') {
    if (!spec.network) return report.error(`${path}.address`, 'Address is required');
    report.warning(`${path}.address`, `address is unset with network ${JSON.stringify(spec.network)}`);
  }
  if (address.startsWith(UNIX_PREFIX)) {
    report.check(`${path}.address`, unixPathProblem(address.slice(UNIX_PREFIX.length)));
    if (Object.keys(spec.ports ?? {}).length > 0) report.error(`${path}.ports`, 'UDS may not include ports');
    if (servicePorts && servicePorts.size !== 1) report.error(path, 'exactly 1 service port required for unix endpoints');
  } else if (address !== '' && !isIpAddress(address)) {
    if (!allowFqdn)
      report.error(
        `${path}.address`,
        `endpoint address ${JSON.stringify(address)} is not a valid IP address`,
        'Use resolution: DNS for names.',
      );
    else if (fqdnProblem(address))
      report.error(`${path}.address`, `endpoint address ${JSON.stringify(address)} is not a valid FQDN or an IP address`);
  }
  for (const [name, port] of Object.entries(spec.ports ?? {})) {
    const place = `${path}.ports[${name}]`;
    if (servicePorts && !servicePorts.has(name)) report.error(place, `endpoint port ${port} is not defined by the service entry`);
    report.check(place, portNameProblem(name));
    report.check(place, portProblem(port));
  }
  report.check(`${path}.labels`, labelsProblem(spec.labels));
}

export function checkWorkloadGroup({ spec }: WorkloadGroup, report: Report): void {
  if (!spec.template) return;
  report.check('spec.metadata.labels', labelsProblem(spec.metadata?.labels));
  for (const [name, port] of Object.entries(spec.template.ports ?? {})) {
    report.check(`spec.template.ports[${name}]`, portNameProblem(name) ?? portProblem(port));
  }
  const { probe } = spec;
  if (!probe) return;
  const path = 'spec.probe';
  if (probe.httpGet) {
    report.check(`${path}.httpGet.port`, portProblem(probe.httpGet.port ?? 0));
    const { scheme } = probe.httpGet;
    if (scheme && scheme !== 'HTTP' && scheme !== 'HTTPS')
      report.error(`${path}.httpGet.scheme`, 'httpGet.scheme must be one of "HTTPS", "HTTP"');
    probe.httpGet.httpHeaders?.forEach((header, i) => {
      report.check(`${path}.httpGet.httpHeaders[${i}].name`, headerNameProblem(header.name ?? ''));
    });
  } else if (probe.tcpSocket) report.check(`${path}.tcpSocket.port`, portProblem(probe.tcpSocket.port ?? 0));
  else if (probe.exec) {
    if (!probe.exec.command?.length) report.error(`${path}.exec.command`, 'exec.command is required');
  } else if (probe.grpc) report.check(`${path}.grpc.port`, portProblem(probe.grpc.port ?? 0));
  else report.error(path, 'unknown health check method: set httpGet, tcpSocket, exec or grpc');
}
