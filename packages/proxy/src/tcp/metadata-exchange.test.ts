import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import type { PeerMetadata } from '../http/request-record.ts';
import { adoptSocket } from '../io/adopt.ts';
import { ignoring } from '../io/connection.ts';
import { exchangeMetadata, ownExchange, parseExchange } from './metadata-exchange.ts';

const nodeOf = (name: string) => ({
  id: `sidecar~10.0.0.1~${name}.ns~ns.svc`,
  cluster: name,
  metadata: { WORKLOAD_NAME: name, NAMESPACE: 'ns', CLUSTER_ID: 'c', LABELS: { app: name } },
});

test('what a proxy says of itself is understood, cut anywhere', () => {
  const bytes = ownExchange(nodeOf('a'));
  assert.equal(bytes.readUInt32BE(0), 0x3d230467);
  for (let cut = 0; cut < bytes.length; cut++) assert.equal(parseExchange(bytes.subarray(0, cut)).kind, 'more', `${cut}`);
  const result = parseExchange(Buffer.concat([bytes, Buffer.from('rest')]));
  assert.ok(result.kind === 'peer' && result.peer);
  assert.equal(result.sizeBytes, bytes.length);
  const { workloadName, namespace, clusterId, id, labels } = result.peer;
  assert.deepEqual([workloadName, namespace, clusterId, id, labels.app], ['a', 'ns', 'c', nodeOf('a').id, 'a']);
});

test('a peer that does not exchange keeps its bytes; a lying length and garbage break the connection', () => {
  assert.equal(parseExchange(Buffer.from('plain bytes')).kind, 'none');
  const head = (length: number, rest = '') => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(0x3d230467, 0);
    bytes.writeUInt32BE(length, 4);
    return Buffer.concat([bytes, Buffer.from(rest)]);
  };
  assert.equal(parseExchange(head(0xffffffff)).kind, 'error');
  assert.equal(parseExchange(head(4, '\xff\xff\xff\xff')).kind, 'error');
  const good = ownExchange(nodeOf('a'));
  for (let i = 8; i < good.length; i++) {
    const changed = Buffer.from(good);
    changed[i] = 0xff;
    assert.ok(['peer', 'error'].includes(parseExchange(changed).kind));
  }
});

test('both sides learn of each other, whoever speaks first, and the bytes after it are untouched', async (t) => {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer(accepted.resolve).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const client = connect((server.address() as { port: number }).port, '127.0.0.1');
  t.after(() => {
    client.destroy();
    server.close();
  });
  const ends = [adoptSocket(client, ignoring), adoptSocket(await accepted.promise, ignoring)];
  t.after(() => {
    for (const end of ends) end.destroy();
  });
  const names = ['a', 'b'];
  const peers: (PeerMetadata | undefined)[] = [];
  const received = ['', ''];
  for (const [i, end] of ends.entries()) {
    const handler = {
      ...ignoring,
      onData(bytes: Buffer) {
        received[i] += bytes.toString();
      },
    };
    exchangeMetadata(end, nodeOf(names[i] as string), handler, (peer) => {
      peers[i] = peer;
    });
  }
  ends[1]?.write(Buffer.from('the server speaks first'));
  await eventually(() => received[0] === 'the server speaks first');
  ends[0]?.write(Buffer.from('then the client'));
  await eventually(() => received[1] === 'then the client');
  assert.deepEqual(
    peers.map((peer) => peer?.workloadName),
    ['b', 'a'],
  );
});
