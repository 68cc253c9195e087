// The arguments of the istio-init container (`istio-iptables -p 15001 -z 15006 …`), as the injected pod carries them. Short
// and long spellings are both in use; flags that tune what this network does anyway are accepted and ignored.

import { fail, ok, parseCidr, type Result } from '@lateen/base';
import type { CaptureRules } from '../contracts.ts';

const LONG_NAMES: Record<string, string> = {
  '-p': '--envoy-port',
  '-z': '--inbound-capture-port',
  '-e': '--inbound-tunnel-port',
  '-u': '--proxy-uid',
  '-g': '--proxy-gid',
  '-m': '--istio-inbound-interception-mode',
  '-b': '--istio-inbound-ports',
  '-d': '--istio-local-exclude-ports',
  '-i': '--istio-service-cidr',
  '-x': '--istio-service-exclude-cidr',
  '-q': '--istio-outbound-ports',
  '-o': '--istio-local-outbound-ports-exclude',
  '-k': '--kube-virt-interfaces',
  '-c': '--istio-exclude-interfaces',
  '-t': '--istio-inbound-tproxy-mark',
  '-r': '--istio-inbound-tproxy-route-table',
};

const BOOLEAN_FLAGS = new Set([
  '--run-validation',
  '--skip-rule-apply',
  '--dry-run',
  '--redirect-dns',
  '--drop-invalid',
  '--cleanup-only',
  '--force-apply',
  '--dual-stack',
  '--capture-all-dns',
]);

/** Reads istio-iptables arguments into capture rules, with that program's defaults (15001, 15006, 1337, all outbound, no inbound ports). */
export function parseCaptureArgs(argv: readonly string[]): Result<CaptureRules> {
  const flags = readFlags(argv);
  const value = (name: string, fallback: string) => flags.get(name) ?? fallback;
  const mode = value('--istio-inbound-interception-mode', 'REDIRECT');
  if (mode === 'TPROXY') return fail('interception mode TPROXY is not supported here; use REDIRECT');
  if (flags.get('--redirect-dns') === 'true') return fail('DNS capture (--redirect-dns) is not supported here');
  try {
    const uid = integer('--proxy-uid', value('--proxy-uid', '1337'), 0xffffffff);
    return ok({
      outboundPort: integer('--envoy-port', value('--envoy-port', '15001'), 65535),
      inboundPort: integer('--inbound-capture-port', value('--inbound-capture-port', '15006'), 65535),
      proxyUid: uid,
      proxyGid: integer('--proxy-gid', value('--proxy-gid', String(uid)), 0xffffffff),
      includeOutboundCidrs: value('--istio-service-cidr', '*') === '*' ? '*' : cidrs('--istio-service-cidr', flags),
      excludeOutboundCidrs: cidrs('--istio-service-exclude-cidr', flags),
      includeOutboundPorts: ports('--istio-outbound-ports', flags),
      excludeOutboundPorts: ports('--istio-local-outbound-ports-exclude', flags),
      includeInboundPorts: value('--istio-inbound-ports', '') === '*' ? '*' : ports('--istio-inbound-ports', flags),
      excludeInboundPorts: ports('--istio-local-exclude-ports', flags),
    });
  } catch (error) {
    return fail((error as Error).message);
  }
}

function readFlags(argv: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (!word.startsWith('-')) continue; // the program name
    const equals = word.indexOf('=');
    const spelled = equals < 0 ? word : word.slice(0, equals);
    const name = Object.hasOwn(LONG_NAMES, spelled) ? (LONG_NAMES[spelled] as string) : spelled;
    if (equals >= 0) flags.set(name, word.slice(equals + 1));
    else if (BOOLEAN_FLAGS.has(name)) flags.set(name, 'true');
    else flags.set(name, argv[++i] ?? '');
  }
  return flags;
}

function integer(name: string, text: string, max: number): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (number < 0 || number > max) throw new Error(`${name}: ${JSON.stringify(text.slice(0, 40))} is not a number up to ${max}`);
  return number;
}

const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

function ports(name: string, flags: ReadonlyMap<string, string>): number[] {
  // "*" as an include list of outbound ports means the default, which is no list at all.
  const texts = listOf(flags.get(name)).filter((text) => text !== '*');
  return texts.map((text) => integer(name, text, 65535));
}

function cidrs(name: string, flags: ReadonlyMap<string, string>): string[] {
  return listOf(flags.get(name)).map((text) => {
    const parsed = parseCidr(text);
    if (!parsed.ok) throw new Error(`${name}: ${parsed.error}`);
    return text;
  });
}
