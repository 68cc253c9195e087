// nf_tables rules as netlink messages: base and regular chains, and rules made of a few expressions that compile to the
// registers-and-comparisons form of the kernel (see linux/netfilter/nf_tables.h). One batch is one transaction.

import type { Cidr } from '@lateen/base';
import { attribute, be16, be32, cString, type NetlinkMessage, NLM_F_APPEND, NLM_F_CREATE, nested, u8, u32 } from './netlink.ts';

const SUBSYSTEM = 10 << 8;
const [BATCH_BEGIN, BATCH_END] = [0x10, 0x11] as const;
const [NEWTABLE, NEWCHAIN, NEWRULE] = [SUBSYSTEM | 0, SUBSYSTEM | 3, SUBSYSTEM | 6] as const;
const NFPROTO_IPV4 = 2;
const NF_IP_PRI_NAT_DST = -100;
const HOOKS = { prerouting: 0, output: 3 } as const;

const REGISTER_VERDICT = 0;
const REGISTER = 1;
const META = { mark: 3, inputInterface: 4, outputInterface: 5, socketUid: 10, socketGid: 11, l4Protocol: 16 } as const;
const [COMPARE_EQUAL, COMPARE_NOT_EQUAL] = [0, 1] as const;
const PAYLOAD = {
  sourceAddress: { base: 1, offset: 12 },
  destinationAddress: { base: 1, offset: 16 },
  destinationPort: { base: 2, offset: 2 },
} as const;
const IPPROTO_TCP = 6;
const [NFT_RETURN, NFT_JUMP] = [-5, -3] as const;

/** A condition of a rule; all of a rule must hold. */
export type Match = { negate?: boolean } & (
  | { on: 'mark' | 'inputInterface' | 'outputInterface' | 'socketUid' | 'socketGid'; value: number }
  | { on: 'sourceAddress' | 'destinationAddress'; cidr: Cidr }
  /** TCP only: the rule does not match other protocols. */
  | { on: 'destinationPort'; port: number }
  | { on: 'tcp' }
);

export type Verdict = { kind: 'return' } | { kind: 'jump'; chain: string } | { kind: 'redirect'; port: number };

/** A rule belongs to the chain before it was appended; rules keep their order. */
export type Rule = { chain: string; matches: Match[]; verdict: Verdict };

/** A nat table of family ip. Chains named in `hooks` are base chains at destination-NAT priority; the rest are jumped to. */
export type NatTable = {
  name: string;
  chains: { name: string; hook?: keyof typeof HOOKS }[];
  rules: Rule[];
};

/** The whole table as one transaction: all of it is in force, or nothing. */
export function addNatTable(table: NatTable): NetlinkMessage[] {
  const tableName = (type: number) => attribute(type, cString(table.name));
  return [
    batchMessage(BATCH_BEGIN),
    request(NEWTABLE, NLM_F_CREATE, `add table ${table.name}`, [tableName(1)]),
    ...table.chains.map(({ name, hook }) => {
      const attributes = [tableName(1), attribute(3, cString(name))];
      if (hook) {
        attributes.push(nested(4, attribute(1, be32(HOOKS[hook])), attribute(2, be32(NF_IP_PRI_NAT_DST))), attribute(7, cString('nat')));
      }
      return request(NEWCHAIN, NLM_F_CREATE, `add chain ${name}`, attributes);
    }),
    ...table.rules.map((rule) => {
      const expressions = nested(4, ...rule.matches.flatMap(encodeMatch), ...encodeVerdict(rule.verdict));
      return request(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, `add rule to ${rule.chain}`, [
        tableName(1),
        attribute(2, cString(rule.chain)),
        expressions,
      ]);
    }),
    batchMessage(BATCH_END),
  ];
}

const generationHeader = (family: number, resource: number) => Buffer.concat([u8(family), u8(0), be16(resource)]);

const batchMessage = (type: number): NetlinkMessage => ({
  type,
  flags: 0,
  acknowledge: false,
  what: 'nf_tables batch',
  payload: generationHeader(0, SUBSYSTEM >> 8),
});

const request = (type: number, flags: number, what: string, attributes: Buffer[]): NetlinkMessage => ({
  type,
  flags,
  acknowledge: true,
  what,
  payload: Buffer.concat([generationHeader(NFPROTO_IPV4, 0), ...attributes]),
});

const expression = (name: string, ...attributes: Buffer[]) => nested(1, attribute(1, cString(name)), nested(2, ...attributes));
const loadMeta = (key: number) => expression('meta', attribute(1, be32(REGISTER)), attribute(2, be32(key)));
const compare = (value: Buffer, negate: boolean | undefined) =>
  expression(
    'cmp',
    attribute(1, be32(REGISTER)),
    attribute(2, be32(negate ? COMPARE_NOT_EQUAL : COMPARE_EQUAL)),
    nested(3, attribute(1, value)),
  );
const loadPayload = (field: { base: number; offset: number }, size: number) =>
  expression(
    'payload',
    attribute(1, be32(REGISTER)),
    attribute(2, be32(field.base)),
    attribute(3, be32(field.offset)),
    attribute(4, be32(size)),
  );

function encodeMatch(match: Match): Buffer[] {
  switch (match.on) {
    case 'tcp':
      return [loadMeta(META.l4Protocol), compare(u8(IPPROTO_TCP), match.negate)];
    case 'destinationPort':
      return [
        loadMeta(META.l4Protocol),
        compare(u8(IPPROTO_TCP), false),
        loadPayload(PAYLOAD.destinationPort, 2),
        compare(be16(match.port), match.negate),
      ];
    case 'sourceAddress':
    case 'destinationAddress':
      return matchAddress(match.on, match.cidr, match.negate);
    default:
      return [loadMeta(META[match.on]), compare(u32(match.value), match.negate)];
  }
}

function matchAddress(on: 'sourceAddress' | 'destinationAddress', cidr: Cidr, negate: boolean | undefined): Buffer[] {
  const mask = be32(cidr.prefixLength === 0 ? 0 : -1 << (32 - cidr.prefixLength));
  const network = Buffer.from(cidr.bytes.map((byte, i) => byte & (mask[i] as number)));
  const masked = expression(
    'bitwise',
    attribute(1, be32(REGISTER)),
    attribute(2, be32(REGISTER)),
    attribute(3, be32(4)),
    nested(4, attribute(1, mask)),
    nested(5, attribute(1, be32(0))),
  );
  return [loadPayload(PAYLOAD[on], 4), ...(cidr.prefixLength < 32 ? [masked] : []), compare(network, negate)];
}

function encodeVerdict(verdict: Verdict): Buffer[] {
  switch (verdict.kind) {
    case 'return':
      return [immediateVerdict(attribute(1, be32(NFT_RETURN)))];
    case 'jump':
      return [immediateVerdict(attribute(1, be32(NFT_JUMP)), attribute(2, cString(verdict.chain)))];
    case 'redirect':
      return [
        expression('immediate', attribute(1, be32(REGISTER)), nested(2, attribute(1, be16(verdict.port)))),
        expression('redir', attribute(1, be32(REGISTER))),
      ];
  }
}

const immediateVerdict = (...verdict: Buffer[]) =>
  expression('immediate', attribute(1, be32(REGISTER_VERDICT)), nested(2, nested(2, ...verdict)));
