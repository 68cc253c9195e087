// Semantic rules of Gateway, and of the server TLS it shares with Sidecar.

import type { Report } from '../findings/report.ts';
import type { ServerPort, ServerTls } from '../schema/shared.ts';
import {
  ipProblem,
  isDnsLabel,
  isIpAddress,
  partialWildcardProblem,
  portProblem,
  UNIX_PREFIX,
  unixPathProblem,
  wildcardDomainProblem,
} from '../validate/names.ts';
import { isHttpProtocol, isKnownProtocol, isTlsProtocol } from '../validate/protocol.ts';
import { isCipherSuite } from './cipher-suites.ts';
import type { Gateway, Server } from './gateway.ts';

export function checkGateway({ metadata, spec }: Gateway, report: Report): void {
  if (!isDnsLabel(metadata.name)) report.error('metadata.name', `invalid gateway name: ${JSON.stringify(metadata.name)}`);
  if (!spec.servers?.length) report.error('spec.servers', 'gateway must have at least one server');
  const portNames = new Set<string>();
  spec.servers?.forEach((server, i) => {
    const path = `spec.servers[${i}]`;
    checkServer(server, path, report);
    if (!server.port) return;
    if (portNames.has(server.port.name)) {
      report.error(`${path}.port.name`, `port names in servers must be unique: duplicate name ${server.port.name}`);
    }
    portNames.add(server.port.name);
    if (!isHttpProtocol(server.port.protocol ?? '') && server.tls?.httpsRedirect) {
      report.warning(`${path}.tls.httpsRedirect`, 'tls.httpsRedirect should only be used with http servers');
    }
  });
}

function checkServer(server: Server, path: string, report: Report): void {
  if (!server.hosts?.length) report.error(`${path}.hosts`, 'server config must contain at least one host');
  server.hosts?.forEach((host, i) => {
    checkNamespacedHost(host, `${path}.hosts[${i}]`, { isGateway: true, report });
  });
  const portIsValid = checkPort(server.port, server, { path, report });
  checkBind(server, path, report);
  if (server.tls) checkServerTls(server.tls, `${path}.tls`, report);
  if (portIsValid) checkTlsFitsProtocol(server, path, report);
}

function checkPort(port: ServerPort | undefined, server: Server, { path, report }: { path: string; report: Report }): boolean {
  if (!port) {
    report.error(`${path}.port`, 'port is required');
    return false;
  }
  const before = report.findings.length;
  if (!isKnownProtocol(port.protocol ?? '')) {
    report.error(
      `${path}.port.protocol`,
      `invalid protocol ${JSON.stringify(port.protocol ?? '')}, supported protocols are HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP, TLS`,
    );
  }
  if ((port.number ?? 0) > 0 || !server.bind?.startsWith(UNIX_PREFIX)) report.check(`${path}.port.number`, portProblem(port.number ?? 0));
  if (port.targetPort) report.error(`${path}.port.targetPort`, 'targetPort has no impact on Gateways');
  if (!port.name) report.error(`${path}.port.name`, 'port name must be set');
  return report.findings.length === before;
}

function checkBind({ bind, port }: Server, path: string, report: Report): void {
  if (!bind) return;
  if (!bind.startsWith(UNIX_PREFIX)) return report.check(`${path}.bind`, ipProblem(bind));
  report.check(`${path}.bind`, unixPathProblem(bind.slice(UNIX_PREFIX.length)));
  if (port?.number) report.error(`${path}.port.number`, 'port number must be 0 for unix domain socket');
}

function checkTlsFitsProtocol({ port, tls }: Server, path: string, report: Report): void {
  const protocol = port.protocol;
  if (isTlsProtocol(protocol)) {
    if (!tls)
      report.error(`${path}.tls`, 'server must have TLS settings for HTTPS/TLS protocols', 'Add tls: with a mode and credentialName.');
    return;
  }
  if (!tls) return;
  // A plain HTTP server may carry tls for httpsRedirect only.
  const passThrough = !tls.mode || tls.mode === 'PASSTHROUGH' || tls.mode === 'AUTO_PASSTHROUGH';
  if (!isHttpProtocol(protocol)) report.error(`${path}.tls`, 'server cannot have TLS settings for non HTTPS/TLS ports');
  else if (!passThrough || tls.caCertificates || tls.privateKey || tls.serverCertificate) {
    report.error(`${path}.tls`, 'server cannot have TLS settings for plain text HTTP ports');
  }
}

/** TLS of a server: cipher suites, and the material each mode needs or refuses. */
export function checkServerTls(tls: ServerTls, path: string, report: Report): void {
  checkCiphers(tls, path, report);
  const mode = tls.mode ?? 'PASSTHROUGH';
  const has = (field: keyof ServerTls): boolean => (Array.isArray(tls[field]) ? (tls[field] as unknown[]).length > 0 : Boolean(tls[field]));
  const isMutual = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  if (mode === 'ISTIO_MUTUAL') {
    for (const field of [
      'serverCertificate',
      'privateKey',
      'caCertificates',
      'credentialName',
      'credentialNames',
      'tlsCertificates',
    ] as const) {
      if (has(field)) report.error(`${path}.${field}`, `ISTIO_MUTUAL TLS cannot have associated ${field}`);
    }
    return;
  }
  if (tls.caCertCredentialName && !isMutual) {
    report.error(`${path}.caCertCredentialName`, 'caCertCredentialName is only used with MUTUAL and OPTIONAL_MUTUAL');
  }
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') {
    const used = (
      ['caCrl', 'serverCertificate', 'privateKey', 'caCertificates', 'credentialName', 'credentialNames', 'tlsCertificates'] as const
    ).some(has);
    if (used) report.warning(path, `${mode} mode does not use certificates, they will be ignored`);
    return;
  }
  const sources = (['credentialName', 'credentialNames', 'tlsCertificates'] as const).filter(has);
  if (sources.length > 1) report.error(path, `only one of ${sources.join(', ')} can be set`);
  if (has('credentialName') || has('credentialNames')) return;
  checkFiles(tls, path, report);
  if (tls.caCrl && mode === 'SIMPLE') report.error(`${path}.caCrl`, 'CRL is not supported with SIMPLE TLS');
}

function checkFiles(tls: ServerTls, path: string, report: Report): void {
  const label = tls.mode === 'SIMPLE' ? 'SIMPLE' : 'MUTUAL';
  const pairs = tls.tlsCertificates?.length ? tls.tlsCertificates : [tls];
  for (const pair of pairs) {
    if (!pair.serverCertificate)
      report.error(path, `${label} TLS requires a server certificate`, 'Set credentialName to the name of a TLS secret.');
    if (!pair.privateKey) report.error(path, `${label} TLS requires a private key`);
  }
  if (label === 'MUTUAL' && !tls.caCertificates && !tls.caCertCredentialName) report.error(path, 'MUTUAL TLS requires a client CA bundle');
}

function checkCiphers(tls: ServerTls, path: string, report: Report): void {
  const suites = tls.cipherSuites ?? [];
  const old = tls.minProtocolVersion === 'TLSV1_0' || tls.minProtocolVersion === 'TLSV1_1';
  if (old && suites.length === 0) {
    report.warning(
      `${path}.minProtocolVersion`,
      'TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include compatible ciphers.',
    );
  }
  const invalid = suites.filter((suite) => !isCipherSuite(suite));
  if (invalid.length > 0) report.warning(`${path}.cipherSuites`, `ignoring invalid cipher suites: [${invalid.sort().join(' ')}]`);
  const repeated = suites.filter((suite, i) => isCipherSuite(suite) && suites.indexOf(suite) !== i);
  if (repeated.length > 0) report.warning(`${path}.cipherSuites`, `ignoring duplicate cipher suites: [${repeated.sort().join(' ')}]`);
}

/** `namespace/host` of a Gateway (where the namespace is optional) or of a Sidecar's egress. */
export function checkNamespacedHost(host: string, path: string, options: { isGateway: boolean; report: Report }): void {
  const { isGateway, report } = options;
  const slash = host.indexOf('/');
  if (slash < 0) {
    if (isGateway) checkHostPart(host, path, options);
    else report.error(path, 'host must be of form namespace/dnsName', `Write "./${host}" for this namespace or "*/${host}" for any.`);
    return;
  }
  const namespace = host.slice(0, slash);
  const name = host.slice(slash + 1);
  if (!namespace || !name) report.error(path, 'config namespace and dnsName in host entry cannot be empty');
  const words = isGateway ? ['*', '.'] : ['*', '.', '~'];
  // "~namespace/host" takes hosts out again.
  const label = !isGateway && namespace.startsWith('~') && namespace.length > 1 ? namespace.slice(1) : namespace;
  if (!words.includes(label) && !isDnsLabel(label)) {
    report.error(path, `invalid namespace value ${JSON.stringify(namespace)} in ${isGateway ? 'gateway' : 'sidecar'}`);
  }
  checkHostPart(name, path, options);
}

function checkHostPart(host: string, path: string, { isGateway, report }: { isGateway: boolean; report: Report }): void {
  if (host !== '*' && !host.includes('.') && !(isGateway && isIpAddress(host)))
    report.error(path, 'short names (non FQDN) are not allowed', 'Write the full name, e.g. name.namespace.svc.cluster.local.');
  const problem = wildcardDomainProblem(host);
  if (problem && !(isGateway && isIpAddress(host))) report.error(path, problem);
  report.check(path, partialWildcardProblem(host));
}
