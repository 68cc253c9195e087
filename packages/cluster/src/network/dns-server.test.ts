import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { silentLogger, systemClock } from '@lateen/base';
import { type DecodedPacket, decode, encode } from 'dns-packet';
import type { ServiceTableEntry } from '../contracts.ts';
import { createDnsServer } from './dns-server.ts';
import { serviceEntry } from './testing/service-entry.ts';

const entry = (name: string, more: Partial<ServiceTableEntry>) => serviceEntry('shop', name, more);
const TABLE = [
  entry('web', { clusterIP: '10.96.7.7', ports: [{ name: 'http', protocol: 'TCP', port: 80, targets: [] }] }),
  entry('db', {
    addresses: [
      { ip: '10.244.0.5', hostname: 'db-0' },
      { ip: '10.244.0.6', hostname: undefined },
    ],
    ports: [{ name: 'sql', protocol: 'TCP', port: 5432, targets: [] }],
  }),
  entry('nobody', {}),
  entry('inside', { externalName: 'web.shop.svc.cluster.local' }),
  entry('outside', { externalName: 'api.example.com' }),
  entry('many', { addresses: Array.from({ length: 100 }, (_, i) => ({ ip: `10.244.1.${i + 1}`, hostname: undefined })) }),
];
const HOSTS = new Map([
  ['api.example.com', ['192.0.2.1']],
  ['example.org', ['192.0.2.2']],
]);

const server = createDnsServer({
  host: {
    lookupOnHost: async (name) => {
      if (name === 'broken.example') throw new Error('no name server');
      return HOSTS.get(name) ?? [];
    },
    queryOnHost: async (message) => {
      const { id = 0, questions = [] } = decode(Buffer.from(message));
      return encode({ type: 'response', id, questions, answers: [] });
    },
  },
  clock: systemClock,
  logger: silentLogger,
});
server.setTable(TABLE);

const query = (name: string, type: string) => encode({ type: 'query', id: 77, flags: 1 << 8, questions: [{ name, type }] });
async function ask(name: string, type: string, maxBytes = 65_535): Promise<DecodedPacket> {
  const answer = await server.answer(query(name, type), maxBytes);
  assert.ok(answer);
  return decode(answer);
}
const text = (packet: DecodedPacket) =>
  (packet.answers ?? []).map((record) =>
    record.type === 'SRV' ? `${record.data.target}:${record.data.port}` : record.type === 'SOA' ? 'SOA' : `${record.type} ${record.data}`,
  );

const CASES: [name: string, type: string, rcode: string, answers: string[]][] = [
  ['web.shop.svc.cluster.local', 'A', 'NOERROR', ['A 10.96.7.7']],
  ['WEB.Shop.svc.cluster.LOCAL', 'A', 'NOERROR', ['A 10.96.7.7']],
  ['web.shop.svc.cluster.local', 'AAAA', 'NOERROR', []],
  ['_http._tcp.web.shop.svc.cluster.local', 'SRV', 'NOERROR', ['web.shop.svc.cluster.local:80']],
  ['_http._tcp.web.shop.svc.cluster.local', 'A', 'NOERROR', []],
  ['db.shop.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.0.5', 'A 10.244.0.6']],
  ['db-0.db.shop.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.0.5']],
  ['10-244-0-6.db.shop.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.0.6']],
  [
    '_sql._tcp.db.shop.svc.cluster.local',
    'SRV',
    'NOERROR',
    ['10-244-0-6.db.shop.svc.cluster.local:5432', 'db-0.db.shop.svc.cluster.local:5432'],
  ],
  ['nobody.shop.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['inside.shop.svc.cluster.local', 'A', 'NOERROR', ['A 10.96.7.7', 'CNAME web.shop.svc.cluster.local']],
  ['outside.shop.svc.cluster.local', 'A', 'NOERROR', ['A 192.0.2.1', 'CNAME api.example.com']],
  ['kubernetes.default.svc.cluster.local', 'A', 'NOERROR', ['A 10.96.0.1']],
  ['10-244-0-9.shop.pod.cluster.local', 'A', 'NOERROR', ['A 10.244.0.9']],
  ['999-244-0-9.shop.pod.cluster.local', 'A', 'NXDOMAIN', []],
  ['shop.svc.cluster.local', 'A', 'NOERROR', []],
  ['gone.shop.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['example.org.shop.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['7.7.96.10.in-addr.arpa', 'PTR', 'NOERROR', ['PTR web.shop.svc.cluster.local']],
  ['1.1.96.10.in-addr.arpa', 'PTR', 'NXDOMAIN', []],
  ['example.org', 'A', 'NOERROR', ['A 192.0.2.2']],
  ['example.org', 'AAAA', 'NOERROR', []],
  ['example.org', 'TXT', 'NOERROR', []],
  ['missing.example', 'A', 'NXDOMAIN', []],
  ['broken.example', 'A', 'SERVFAIL', []],
];
for (const [name, type, rcode, answers] of CASES) {
  test(`${type} ${name} is ${rcode} ${answers.join(', ')}`, async () => {
    const packet = await ask(name, type);
    assert.equal(packet.id, 77);
    assert.equal(packet.rcode, rcode);
    assert.equal(packet.questions?.[0]?.name, name);
    assert.deepEqual(text(packet).sort(), answers);
  });
}

test('an absent name tells how long to remember that', async () => {
  const [authority] = (await ask('gone.shop.svc.cluster.local', 'A')).authorities ?? [];
  assert.equal(authority?.type, 'SOA');
  assert.equal(authority?.ttl, 5);
});

test('the addresses of a headless service take turns at the front', async () => {
  const first = new Set<string | undefined>();
  for (let i = 0; i < 4; i++) first.add(text(await ask('db.shop.svc.cluster.local', 'A'))[0]);
  assert.equal(first.size, 2);
});

test('an answer that does not fit is cut and marked', async () => {
  const short = await ask('many.shop.svc.cluster.local', 'A', 512);
  assert.equal(short.flag_tc, true);
  assert.equal(short.answers?.length, 0);
  assert.equal((await ask('many.shop.svc.cluster.local', 'A')).answers?.length, 100);
});

test('garbage, answers and impossible questions do no harm', async () => {
  assert.equal(await server.answer(Buffer.alloc(3), 512), undefined);
  assert.equal(await server.answer(Buffer.alloc(64, 0xff), 512), undefined);
  assert.equal(await server.answer(encode({ type: 'response', id: 1 }), 512), undefined);
  const none = await server.answer(encode({ type: 'query', id: 1 }), 512);
  assert.equal(none && decode(none).rcode, 'FORMERR');
});

test('several messages on one TCP connection are answered in order', async () => {
  const listener = createServer();
  server.serveTcp(listener);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const socket = connect((listener.address() as { port: number }).port, '127.0.0.1');
  const messages = [query('web.shop.svc.cluster.local', 'A'), query('many.shop.svc.cluster.local', 'A')];
  const wire = Buffer.concat(messages.flatMap((message) => [Buffer.of(message.length >> 8, message.length & 0xff), message]));
  socket.write(wire.subarray(0, 20));
  socket.write(wire.subarray(20));
  let received = Buffer.alloc(0);
  const sizes: (number | undefined)[] = [];
  while (sizes.length < 2) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      sizes.push(decode(received.subarray(2, 2 + received.readUInt16BE(0))).answers?.length);
      received = received.subarray(2 + received.readUInt16BE(0));
    }
  }
  assert.deepEqual(sizes, [1, 100]);
  socket.destroy();
  listener.close();
});
