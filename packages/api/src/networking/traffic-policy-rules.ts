// Semantic rules of traffic policies.

import type { Report } from '../findings/report.ts';
import { fqdnProblem, isIpAddress, portProblem } from '../validate/names.ts';
import { percentProblem } from '../validate/values.ts';
import { checkLocalityLb } from './locality-lb-rules.ts';
import type { ClientTls, ConnectionPoolSettings, LoadBalancerSettings, OutlierDetection, TrafficPolicy } from './traffic-policy.ts';

const MAX_MAGLEV_TABLE = 5_000_011;

export function checkTrafficPolicy(policy: TrafficPolicy | undefined, path: string, report: Report): void {
  if (!policy) return;
  if (Object.keys(policy).length === 0) return report.error(path, 'traffic policy must have at least one field');
  if (policy.tunnel && policy.proxyProtocol) return report.error(path, 'tunnel and proxyProtocol must not be set together');
  checkCommon(policy, path, report);
  policy.portLevelSettings?.forEach((port, i) => {
    const place = `${path}.portLevelSettings[${i}]`;
    if (!port.port) report.error(`${place}.port`, 'portTrafficPolicy must have valid port');
    const { port: _port, ...settings } = port;
    if (Object.keys(settings).length === 0) report.error(place, 'port traffic policy must have at least one field');
    else checkCommon(port, place, report);
  });
  if (policy.tunnel) checkTunnel(policy.tunnel, `${path}.tunnel`, report);
}

type CommonPolicy = Pick<TrafficPolicy, 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls'>;

function checkCommon(policy: CommonPolicy, path: string, report: Report): void {
  checkOutlierDetection(policy.outlierDetection, `${path}.outlierDetection`, report);
  checkConnectionPool(policy.connectionPool, `${path}.connectionPool`, report);
  checkLoadBalancer(policy, `${path}.loadBalancer`, report);
  checkClientTls(policy.tls, `${path}.tls`, report);
}

function checkTunnel(tunnel: NonNullable<TrafficPolicy['tunnel']>, path: string, report: Report): void {
  if (tunnel.protocol && tunnel.protocol !== 'CONNECT' && tunnel.protocol !== 'POST') {
    report.error(`${path}.protocol`, 'tunnel protocol must be "CONNECT" or "POST"');
  }
  const problem = fqdnProblem(tunnel.targetHost ?? '');
  if (problem && !isIpAddress(tunnel.targetHost ?? ''))
    report.error(`${path}.targetHost`, `tunnel target host must be valid FQDN or IP address: ${problem}`);
  report.check(`${path}.targetPort`, portProblem(tunnel.targetPort ?? 0));
}

function checkOutlierDetection(outlier: OutlierDetection | undefined, path: string, report: Report): void {
  if (!outlier) return;
  if (outlier.consecutiveErrors) {
    report.warning(
      `${path}.consecutiveErrors`,
      'outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead',
    );
  }
  if (!outlier.splitExternalLocalOriginErrors && (outlier.consecutiveLocalOriginFailures ?? 0) > 0) {
    report.error(`${path}.consecutiveLocalOriginFailures`, 'consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors: true');
  }
  report.check(`${path}.maxEjectionPercent`, percentProblem(outlier.maxEjectionPercent));
  report.check(`${path}.minHealthPercent`, percentProblem(outlier.minHealthPercent));
}

export function checkConnectionPool(pool: ConnectionPoolSettings | undefined, path: string, report: Report): void {
  if (!pool) return;
  if (!pool.http && !pool.tcp) return report.error(path, 'connection pool must have at least one field');
  const { http, tcp } = pool;
  for (const field of [
    'http1MaxPendingRequests',
    'http2MaxRequests',
    'maxRequestsPerConnection',
    'maxRetries',
    'maxConcurrentStreams',
  ] as const) {
    if ((http?.[field] ?? 0) < 0) report.error(`${path}.http.${field}`, `${field} must be non-negative`);
  }
  if (http?.h2UpgradePolicy === 'UPGRADE' && http.useClientProtocol) {
    report.error(`${path}.http.useClientProtocol`, 'use client protocol must not be true when H2UpgradePolicy is UPGRADE');
  }
  if ((tcp?.maxConnections ?? 0) < 0) report.error(`${path}.tcp.maxConnections`, 'max connections must be non-negative');
}

function checkLoadBalancer(policy: CommonPolicy, path: string, report: Report): void {
  const settings: LoadBalancerSettings | undefined = policy.loadBalancer;
  if (!settings) return;
  const hash = settings.consistentHash;
  if (hash) {
    if (hash.httpCookie && !hash.httpCookie.name) report.error(`${path}.consistentHash.httpCookie.name`, 'name required for HttpCookie');
    if (hash.minimumRingSize) {
      report.warning(
        `${path}.consistentHash.minimumRingSize`,
        'consistent hash MinimumRingSize is deprecated, use RingHash configuration instead',
      );
      if (hash.ringHash || hash.maglev)
        report.error(`${path}.consistentHash`, 'only one of MinimumRingSize or Maglev/Ringhash can be specified');
    }
    if (hash.maglev) report.check(`${path}.consistentHash.maglev.tableSize`, maglevProblem(hash.maglev.tableSize ?? 0));
  }
  checkLocalityLb(settings.localityLbSetting, path, { hasOutlierDetection: policy.outlierDetection !== undefined, report });
  if (settings.warmup && settings.warmupDurationSecs !== undefined) {
    report.error(`${path}.warmupDurationSecs`, 'only one of warmupDurationSecs or warmup can be set');
  }
}

function maglevProblem(size: number): string | undefined {
  if (size === 0) return 'tableSize must be set for maglev';
  if (size >= MAX_MAGLEV_TABLE) return `tableSize must be less than ${MAX_MAGLEV_TABLE} for maglev`;
  return isPrime(size) ? undefined : 'tableSize must be a prime number for maglev';
}

function isPrime(value: number): boolean {
  if (value < 4) return value > 0;
  if (value % 2 === 0) return false;
  for (let factor = 3; factor * factor <= value; factor += 2) if (value % factor === 0) return false;
  return true;
}

export function checkClientTls(tls: ClientTls | undefined, path: string, report: Report): void {
  if (!tls) return;
  if (tls.insecureSkipVerify) {
    const names = tls.caCertificates || tls.subjectAltNames;
    if (tls.mode === 'SIMPLE' && (names || tls.credentialName)) {
      report.error(path, 'cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true');
    }
    if (tls.mode === 'MUTUAL' && names)
      report.error(path, 'cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true');
  }
  const ownCertificates = tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL';
  if (ownCertificates && tls.credentialName) {
    if (tls.clientCertificate || tls.caCertificates || tls.privateKey || tls.caCrl) {
      report.error(path, 'cannot specify client certificates or CA certificate or CA CRL if credentialName is set');
    }
    return;
  }
  if (tls.mode === 'MUTUAL') {
    if (!tls.clientCertificate) report.error(`${path}.clientCertificate`, 'client certificate required for mutual tls');
    if (!tls.privateKey) report.error(`${path}.privateKey`, 'private key required for mutual tls');
  }
}
