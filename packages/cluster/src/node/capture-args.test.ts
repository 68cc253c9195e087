import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CaptureRules } from '../contracts.ts';
import { parseCaptureArgs } from './capture-args.ts';

const DEFAULTS: CaptureRules = {
  outboundPort: 15001,
  inboundPort: 15006,
  proxyUid: 1337,
  proxyGid: 1337,
  includeOutboundCidrs: '*',
  excludeOutboundCidrs: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  includeInboundPorts: [],
  excludeInboundPorts: [],
};

const accepted: { name: string; argv: string; rules: Partial<CaptureRules> }[] = [
  { name: 'no argument means the defaults', argv: 'istio-iptables', rules: {} },
  {
    name: 'the line of the sidecar template',
    argv: 'istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x  -b * -d 15090,15021,15020 --log_output_level=default:info',
    rules: { includeInboundPorts: '*', excludeInboundPorts: [15090, 15021, 15020] },
  },
  {
    name: 'included and excluded ranges and ports',
    argv: 'istio-iptables -i 10.0.0.0/8,192.168.0.0/16 -x 10.1.0.0/16 -q 80 -o 3306,27017 -b 9080',
    rules: {
      includeOutboundCidrs: ['10.0.0.0/8', '192.168.0.0/16'],
      excludeOutboundCidrs: ['10.1.0.0/16'],
      includeOutboundPorts: [80],
      excludeOutboundPorts: [3306, 27017],
      includeInboundPorts: [9080],
    },
  },
  {
    name: 'long spellings and a boolean flag between them',
    argv: '--envoy-port=16001 --run-validation --inbound-capture-port 16006 --proxy-uid 2000 --proxy-gid 2001',
    rules: { outboundPort: 16001, inboundPort: 16006, proxyUid: 2000, proxyGid: 2001 },
  },
  { name: 'an empty outbound range list captures nothing', argv: 'istio-iptables -i ', rules: { includeOutboundCidrs: [] } },
];

for (const { name, argv, rules } of accepted) {
  test(`istio-init arguments: ${name}`, () => {
    assert.deepEqual(parseCaptureArgs(argv.split(' ')), { ok: true, value: { ...DEFAULTS, ...rules } });
  });
}

const refused = [
  ['-p 70000', /--envoy-port: "70000"/],
  ['-d 15090,abc', /--istio-local-exclude-ports: "abc"/],
  ['-x 10.0.0.0/99', /invalid prefix length/],
  ['-m TPROXY', /TPROXY is not supported/],
  ['--redirect-dns', /DNS capture/],
] as const;

for (const [argv, reason] of refused) {
  test(`istio-init arguments: ${argv} is refused with a reason`, () => {
    const parsed = parseCaptureArgs(argv.split(' '));
    assert.ok(!parsed.ok);
    assert.match(parsed.error, reason);
  });
}
