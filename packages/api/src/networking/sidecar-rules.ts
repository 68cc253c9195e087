// Semantic rules of Sidecar.

import type { Report } from '../findings/report.ts';
import { fqdnProblem, ipProblem, portNameProblem, portProblem, UNIX_PREFIX, unixPathProblem } from '../validate/names.ts';
import { isHttpProtocol, protocolProblem } from '../validate/protocol.ts';
import { checkNetworkingSelector } from '../validate/selectors.ts';
import { checkNamespacedHost, checkServerTls } from './gateway-rules.ts';
import { checkDestination } from './http-route-rules.ts';
import type { IstioEgressListener, IstioIngressListener, OutboundTrafficPolicy, Sidecar, SidecarPort } from './sidecar.ts';
import { checkConnectionPool } from './traffic-policy-rules.ts';

const ENDPOINT_HOSTS = ['', '127.0.0.1', '0.0.0.0', '::1', '::'];

export function checkSidecar({ metadata, spec }: Sidecar, report: Report): void {
  checkNetworkingSelector(spec.workloadSelector, 'sidecar', report);
  if (!spec.egress?.length && !spec.ingress?.length && !spec.outboundTrafficPolicy && !spec.inboundConnectionPool) {
    return report.error('spec', 'sidecar: empty configuration provided');
  }
  const ports = new Set<number>();
  spec.ingress?.forEach((listener, i) => {
    checkIngress(listener, `spec.ingress[${i}]`, report);
    const number = listener.port?.number ?? 0;
    if (ports.has(number)) report.error(`spec.ingress[${i}].port.number`, 'sidecar: ports on IP bound listeners must be unique');
    ports.add(number);
  });
  checkConnectionPool(spec.inboundConnectionPool, 'spec.inboundConnectionPool', report);
  checkEgress(spec.egress ?? [], metadata.namespace ?? '', report);
  checkOutbound(spec.outboundTrafficPolicy, 'spec.outboundTrafficPolicy', report);
}

function checkSidecarPort(port: SidecarPort, path: string, report: Report): void {
  if (port.targetPort) report.error(`${path}.targetPort`, 'targetPort has no impact on Sidecars');
  if (port.name) report.check(`${path}.name`, portNameProblem(port.name));
  report.check(`${path}.protocol`, protocolProblem(port.protocol ?? ''));
}

function checkIngress(listener: IstioIngressListener, path: string, report: Report): void {
  if (!listener.port) return;
  checkSidecarPort(listener.port, `${path}.port`, report);
  report.check(`${path}.port.number`, portProblem(listener.port.number ?? 0));
  if (listener.bind) report.check(`${path}.bind`, ipProblem(listener.bind));
  if (listener.defaultEndpoint) report.check(`${path}.defaultEndpoint`, endpointProblem(listener.defaultEndpoint));
  const { tls } = listener;
  if (tls) {
    if (tls.subjectAltNames?.length)
      report.error(`${path}.tls.subjectAltNames`, 'sidecar: subjectAltNames is not supported in ingress tls');
    if (tls.httpsRedirect) report.error(`${path}.tls.httpsRedirect`, 'sidecar: httpsRedirect is not supported');
    for (const field of ['credentialName', 'credentialNames', 'tlsCertificates'] as const) {
      if (tls[field]?.length) report.error(`${path}.tls.${field}`, `sidecar: ${field} is not currently supported`);
    }
    if (tls.mode === 'ISTIO_MUTUAL' || tls.mode === 'AUTO_PASSTHROUGH') {
      report.error(`${path}.tls.mode`, `configuration is invalid: cannot set mode to ${tls.mode} in sidecar ingress tls`);
    }
    checkServerTls(tls, `${path}.tls`, report);
  }
  checkConnectionPool(listener.connectionPool, `${path}.connectionPool`, report);
  if (listener.connectionPool?.http && !isHttpProtocol(listener.port.protocol ?? '')) {
    report.warning(
      `${path}.connectionPool.http`,
      'sidecar: HTTP connection pool settings on a port whose protocol is not HTTP; only TCP settings will apply',
    );
  }
}

function endpointProblem(endpoint: string): string | undefined {
  if (endpoint.startsWith(UNIX_PREFIX)) return unixPathProblem(endpoint.slice(UNIX_PREFIX.length));
  const colon = endpoint.lastIndexOf(':');
  if (colon < 0) return `sidecar: defaultEndpoint ${JSON.stringify(endpoint)} has no port`;
  const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, '');
  if (!ENDPOINT_HOSTS.includes(host)) {
    return 'sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset';
  }
  const port = endpoint.slice(colon + 1);
  return /^\d+$/.test(port) ? portProblem(Number(port)) : `sidecar: defaultEndpoint port (${port}) is not a number`;
}

function checkEgress(listeners: readonly IstioEgressListener[], namespace: string, report: Report): void {
  const bound = new Set<string>();
  let sawCatchAll = false;
  listeners.forEach((listener, i) => {
    const path = `spec.egress[${i}]`;
    if (!listener.port) {
      if (sawCatchAll) report.error(path, 'sidecar: egress can have only one listener with empty port');
      else if (i !== listeners.length - 1)
        report.error(path, 'sidecar: the egress listener with empty port should be the last listener in the list');
      sawCatchAll = true;
    } else {
      checkEgressPort(listener, path, report);
      const key = listener.port.number ? `port ${listener.port.number}` : `socket ${listener.bind ?? ''}`;
      if (bound.has(key)) report.error(path, `sidecar: listeners must be unique, ${key} is repeated`);
      bound.add(key);
    }
    checkEgressHosts(listener.hosts ?? [], path, { namespace, report });
  });
}

function checkEgressPort({ port, bind, captureMode }: IstioEgressListener, path: string, report: Report): void {
  if (!port) return;
  checkSidecarPort(port, `${path}.port`, report);
  if (port.number) {
    report.check(`${path}.port.number`, portProblem(port.number));
    if (bind) report.check(`${path}.bind`, ipProblem(bind));
    return;
  }
  if (!bind?.startsWith(UNIX_PREFIX))
    report.error(`${path}.bind`, 'sidecar: ports with 0 value must have a unix domain socket bind address');
  else report.check(`${path}.bind`, unixPathProblem(bind.slice(UNIX_PREFIX.length)));
  if (captureMode === 'IPTABLES')
    report.error(`${path}.captureMode`, 'sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners');
}

function checkEgressHosts(hosts: readonly string[], path: string, { namespace, report }: { namespace: string; report: Report }): void {
  if (hosts.length === 0) return report.error(`${path}.hosts`, 'sidecar: egress listener must contain at least one host');
  const seen = new Map<string, Set<string>>();
  hosts.forEach((host, i) => {
    checkNamespacedHost(host, `${path}.hosts[${i}]`, { isGateway: false, report });
    const slash = host.indexOf('/');
    if (slash < 0) return;
    const ns = host.slice(0, slash) === '.' ? namespace : host.slice(0, slash);
    const service = host.slice(slash + 1);
    const services = seen.get(ns) ?? new Set<string>();
    seen.set(ns, services);
    const repeated = service === '*' ? services.size > 0 : services.has(service) || services.has('*');
    if (repeated) report.warning(`${path}.hosts[${i}]`, `duplicated egress host: ${host}`);
    services.add(service);
  });
  const excludes = [...seen.keys()].some((ns) => ns.startsWith('~') && ns.length > 1);
  if (seen.get('*')?.has('*') && seen.size > 1 && !excludes) {
    report.warning(`${path}.hosts`, '`*/*` host select all resources, no other hosts can be added');
  }
}

function checkOutbound(policy: OutboundTrafficPolicy | undefined, path: string, report: Report): void {
  const proxy = policy?.egressProxy;
  if (!proxy) return;
  if (policy.mode !== 'ALLOW_ANY')
    return report.error(path, 'sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode');
  report.check(`${path}.egressProxy.host`, fqdnProblem(proxy.host ?? ''));
  if (!proxy.port) return report.error(`${path}.egressProxy.port`, 'sidecar: egress_proxy port must be non-nil');
  checkDestination(proxy, `${path}.egressProxy`, report);
}
