// Values of the annotations that steer injection are checked before anything is built from them.

import { CodedError, parseCidr } from '@lateen/base';

type Check = (value: string) => string | undefined;

const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= 65535;

const ports: Check = (value) => {
  const wrong = splitPorts(value).find((port) => !isPort(port));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is not a port`;
};
const portsOrAll: Check = (value) => (value === '*' ? undefined : ports(value));
const cidrs =
  (setting: string): Check =>
  (value) => {
    const wrong = value
      .split(',')
      .map((part) => part.trim())
      .find((part) => part !== '' && (!part.includes('/') || !parseCidr(part).ok));
    return wrong === undefined ? undefined : `${setting}: ${JSON.stringify(wrong)} is not a CIDR`;
  };
const unsigned: Check = (value) => (/^\d{1,10}$/.test(value) ? undefined : 'it is not a non-negative integer');
const bool: Check = (value) => (parseGoBool(value) === undefined ? 'it is not true or false' : undefined);

const CHECKS: Record<string, Check> = {
  'sidecar.istio.io/interceptionMode': (value) =>
    ['REDIRECT', 'TPROXY', 'NONE'].includes(value) ? undefined : 'it must be REDIRECT, TPROXY or NONE',
  'status.sidecar.istio.io/port': (value) => (isPort(value) ? undefined : 'it is not a port'),
  'readiness.status.sidecar.istio.io/initialDelaySeconds': unsigned,
  'readiness.status.sidecar.istio.io/periodSeconds': unsigned,
  'readiness.status.sidecar.istio.io/failureThreshold': unsigned,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': (value) => (value === '*' ? undefined : cidrs('includeIPRanges')(value)),
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': cidrs('excludeIPRanges'),
  'traffic.sidecar.istio.io/includeInboundPorts': portsOrAll,
  'traffic.sidecar.istio.io/excludeInboundPorts': portsOrAll,
  'traffic.sidecar.istio.io/includeOutboundPorts': portsOrAll,
  'traffic.sidecar.istio.io/excludeOutboundPorts': portsOrAll,
  'prometheus.istio.io/merge-metrics': bool,
};

/** @throws CodedError LAT2304 naming the first wrong annotation */
export function checkAnnotations(annotations: Record<string, string>): void {
  for (const [name, check] of Object.entries(CHECKS)) {
    if (!Object.hasOwn(annotations, name)) continue;
    const value = annotations[name] as string;
    const problem = check(value);
    if (problem) {
      throw new CodedError({
        code: 'LAT2304',
        what: `invalid value ${JSON.stringify(value.slice(0, 200))} for annotation ${name}`,
        why: problem,
      });
    }
  }
}

/** "80, 81" -> ["80", "81"]. */
export function splitPorts(text: string): string[] {
  return text
    .split(',')
    .map((port) => port.trim())
    .filter((port) => port !== '');
}

/** The excluded inbound ports with the status port among them, unless that is off ("0") or there already. */
export function excludeInboundPort(statusPort: string, excluded: string): string {
  const port = statusPort.trim();
  const ports = splitPorts(excluded);
  return port === '' || port === '0' || ports.includes(port) ? excluded : [...ports, port].join(',');
}

/** Go's strconv.ParseBool; undefined for anything else. */
export function parseGoBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  return undefined;
}
