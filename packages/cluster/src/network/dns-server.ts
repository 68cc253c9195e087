// The cluster's DNS server: UDP and TCP, own zone answered from the table, the rest through the host's resolvers.

import type { Socket as UdpSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import type { Clock, Logger, Timer } from '@lateen/base';
import { type Answer, type DecodedPacket, decode as decodePacket, encode as encodePacket, type Packet, type Question } from 'dns-packet';
import type { ServiceTableEntry } from '../contracts.ts';
import { createZone } from './dns-zone.ts';
import type { HostAccess } from './host-access.ts';
import { createNameLookup, type NameLookup } from './name-lookup.ts';

const PLAIN_UDP_BYTES = 512;
const MAX_UDP_BYTES = 1232;
const MAX_FORWARDED = 256;
const TCP_IDLE_MS = 10_000;
const MAX_TCP_CONNECTIONS = 128;
const FORWARD_TTL_SECONDS = 10;
const RCODE = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4 } as const;

export type DnsServer = {
  setTable(table: ServiceTableEntry[]): void;
  readonly lookup: NameLookup;
  /** The answer to one DNS message, or undefined when it deserves none. `maxBytes`: a longer answer is cut and marked so. */
  answer(message: Uint8Array, maxBytes: number): Promise<Buffer | undefined>;
  serveUdp(socket: UdpSocket): void;
  serveTcp(server: Server): void;
};

export type DnsServerOptions = { host: Pick<HostAccess, 'lookupOnHost' | 'queryOnHost'>; clock: Clock; logger: Logger };

/** The sockets stay the caller's to close. */
export function createDnsServer(options: DnsServerOptions): DnsServer {
  const { host, clock, logger } = options;
  let zone = createZone([]);
  let rotation = 0;
  let forwarded = 0;

  const forward = async (question: Question, message: Uint8Array): Promise<Reply | Buffer> => {
    // Pods have no IPv6, so no address of that kind is of use to them.
    if (question.type === 'AAAA') return { rcode: RCODE.noError };
    if (forwarded >= MAX_FORWARDED) return { rcode: RCODE.serverFailure };
    forwarded++;
    try {
      if (question.type !== 'A') return Buffer.from(await host.queryOnHost(message));
      const addresses = await host.lookupOnHost(question.name);
      if (addresses.length === 0) return { rcode: RCODE.nameError };
      return {
        rcode: RCODE.noError,
        answers: addresses.map((data) => ({ type: 'A', name: question.name, ttl: FORWARD_TTL_SECONDS, data })),
      };
    } catch (error) {
      logger.debug('upstream DNS failed', { name: question.name, error });
      return { rcode: RCODE.serverFailure };
    } finally {
      forwarded--;
    }
  };

  const reply = async (question: Question, message: Uint8Array): Promise<Reply | Buffer> => {
    const found = zone.answer(question);
    switch (found.kind) {
      case 'answer':
        return { rcode: RCODE.noError, answers: rotate(found.records, rotation++) };
      case 'none':
        return { rcode: found.exists ? RCODE.noError : RCODE.nameError, authorities: found.authority };
      case 'forward':
        return forward(question, message);
      case 'alias': {
        if (question.type !== 'A') return { rcode: RCODE.noError, answers: [found.record] };
        const inside = zone.resolve(found.target);
        const addresses = inside.length > 0 ? inside : await host.lookupOnHost(found.target).catch(() => []);
        const records = addresses.map((data): Answer => ({ type: 'A', name: found.target, ttl: FORWARD_TTL_SECONDS, data }));
        return { rcode: RCODE.noError, answers: [found.record, ...records] };
      }
    }
  };

  const answer = async (message: Uint8Array, maxBytes: number): Promise<Buffer | undefined> => {
    const query = decode(message);
    if (!query || query.flag_qr) return undefined;
    const question = query.questions?.[0];
    if (query.opcode !== 'QUERY') return encode(query, { rcode: RCODE.notImplemented }, maxBytes);
    if (!question || query.questions?.length !== 1) return encode(query, { rcode: RCODE.formatError }, maxBytes);
    const result = await reply(question, message);
    return Buffer.isBuffer(result) ? cut(result, query, maxBytes) : encode(query, result, maxBytes);
  };

  return {
    setTable(table) {
      zone = createZone(table);
    },
    lookup: createNameLookup(() => zone, host),
    answer,
    serveUdp(socket) {
      socket.on('error', (error) => logger.warn('DNS socket failed', { error }));
      socket.on('message', (message, peer) => {
        void answer(message, udpLimit(message)).then((response) => response && socket.send(response, peer.port, peer.address, () => {}));
      });
    },
    serveTcp(server) {
      server.maxConnections = MAX_TCP_CONNECTIONS;
      server.on('error', (error) => logger.warn('DNS listener failed', { error }));
      server.on('connection', (socket) => serveStream(socket, answer, clock));
    },
  };
}

type Reply = { rcode: number; answers?: Answer[]; authorities?: Answer[] };

// Length-prefixed messages (RFC 1035 4.2.2), one after the other.
function serveStream(socket: Socket, answer: DnsServer['answer'], clock: Clock): void {
  let buffered: Buffer = Buffer.alloc(0);
  let idle: Timer | undefined;
  const restart = () => {
    idle?.cancel();
    idle = clock.after(TCP_IDLE_MS, () => socket.destroy(), { background: true });
  };
  const drain = async () => {
    while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
      const size = buffered.readUInt16BE(0);
      const message = buffered.subarray(2, 2 + size);
      buffered = buffered.subarray(2 + size);
      const response = await answer(message, 0xffff);
      if (!response) return socket.destroy();
      const prefix = Buffer.alloc(2);
      prefix.writeUInt16BE(response.length);
      socket.write(Buffer.concat([prefix, response]));
    }
  };
  restart();
  let work = Promise.resolve<unknown>(undefined);
  socket.on('error', () => {});
  socket.on('close', () => idle?.cancel());
  socket.on('data', (chunk: Buffer) => {
    restart();
    // A message has at most 64 KiB; a client that sends more before it reads answers is not a resolver.
    if (buffered.length + chunk.length > 0x20000) return socket.destroy();
    buffered = Buffer.concat([buffered, chunk]);
    work = work.then(drain);
  });
}

function decode(message: Uint8Array): DecodedPacket | undefined {
  try {
    return decodePacket(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  } catch {
    return undefined;
  }
}

const AUTHORITATIVE = 1 << 10;
const TRUNCATED = 1 << 9;
const RECURSION_DESIRED = 1 << 8;
const RECURSION_AVAILABLE = 1 << 7;

function encode(query: DecodedPacket, reply: Reply, maxBytes: number): Buffer {
  const flags = (query.flag_rd ? RECURSION_DESIRED : 0) | RECURSION_AVAILABLE | (reply.authorities ? AUTHORITATIVE : 0) | reply.rcode;
  const packet: Packet = {
    type: 'response',
    id: query.id ?? 0,
    flags,
    questions: query.questions ?? [],
    answers: reply.answers ?? [],
    authorities: reply.authorities ?? [],
  };
  const encoded = encodePacket(packet);
  if (encoded.length <= maxBytes) return encoded;
  return encodePacket({ ...packet, flags: flags | TRUNCATED, answers: [], authorities: [] });
}

const cut = (response: Buffer, query: DecodedPacket, maxBytes: number): Buffer =>
  response.length <= maxBytes ? response : encode({ ...query }, { rcode: RCODE.noError | TRUNCATED }, maxBytes);

/** What the asker can take by UDP: 512 bytes, or what its EDNS record says up to a size that is never fragmented. */
function udpLimit(message: Uint8Array): number {
  const option = decode(message)?.additionals?.find((record) => record.type === 'OPT');
  const size = option?.udpPayloadSize ?? PLAIN_UDP_BYTES;
  return Math.min(MAX_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, size));
}

const rotate = <T>(items: T[], by: number): T[] => {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
};
