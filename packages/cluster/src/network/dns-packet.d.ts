// The part of dns-packet (which ships no types) that the DNS server uses.

declare module 'dns-packet' {
  type Named = { name: string; ttl?: number };
  export type Question = { name: string; type: string; class?: string };
  export type Answer =
    | (Named & { type: 'A' | 'PTR' | 'CNAME'; data: string })
    | (Named & { type: 'SRV'; data: { priority: number; weight: number; port: number; target: string } })
    | (Named & {
        type: 'SOA';
        data: { mname: string; rname: string; serial: number; refresh: number; retry: number; expire: number; minimum: number };
      });
  export type Additional = { type: string; name: string; udpPayloadSize?: number };
  export type Packet = {
    type?: 'query' | 'response';
    id?: number;
    flags?: number;
    questions?: Question[];
    answers?: Answer[];
    authorities?: Answer[];
    additionals?: Additional[];
  };
  export type DecodedPacket = Packet & { opcode: string; rcode: string; flag_qr: boolean; flag_rd: boolean; flag_tc: boolean };
  export function encode(packet: Packet): Buffer;
  /** Throws on malformed input. */
  export function decode(message: Buffer): DecodedPacket;
}
