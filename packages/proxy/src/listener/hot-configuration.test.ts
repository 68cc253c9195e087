import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import test from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { type Listener, ListenerSchema } from '@lateen/xds/messages/proxy';
import { messageRegistry } from '../ads/registry.ts';
import { compileListener } from '../runtime/index.ts';
import { EMPTY_RUNTIME, type ListenerRuntime } from '../runtime/model.ts';
import { any, cluster, httpListener, routeTo, runtimeOf, tcpListener } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { answering, ok, openWire, type Wire } from '../testing/wire.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\n\r\n';
const PROXY_PROTOCOL = {
  name: 'envoy.filters.listener.proxy_protocol',
  typed_config: any('envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol', { allow_requests_without_proxy_protocol: true }),
};

type Previous = { message: Listener; compiled: ListenerRuntime };

/** Compiles as the live configuration does: each version with the one before it. */
function versions() {
  const known = new Map<string, Previous>();
  return (listeners: readonly JsonObject[]): Map<string, ListenerRuntime> =>
    new Map(
      listeners.map((json) => {
        const message = fromJson(ListenerSchema, json, { registry: messageRegistry() });
        const compiled = compileListener(message, known.get(message.name));
        if (!compiled.ok) throw new Error(compiled.error.join('\n'));
        known.set(message.name, { message, compiled: compiled.value });
        return [message.name, compiled.value];
      }),
    );
}

const chainOf = (listener: JsonObject, match: JsonObject = {}): JsonObject => ({
  ...((listener['filter_chains'] as JsonObject[])[0] as JsonObject),
  ...(Object.keys(match).length > 0 && { filter_chain_match: match }),
});

const answer = (body: string) =>
  httpListener('x', [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }]);

/** Chains by the (invented) source port that a PROXY header names: `first` for 1111, `second` for the others. */
const twoChains = (first: JsonObject, second: JsonObject, fields: JsonObject = {}): JsonObject => ({
  ...answer(''),
  name: 'in',
  listener_filters: [PROXY_PROTOCOL],
  filter_chains: [chainOf(first, { source_ports: [1111] }), chainOf(second)],
  ...fields,
});

async function openFrom(stage: Stage, sourcePort: number): Promise<Wire> {
  const wire = await openWire(stage.port());
  wire.send(`PROXY TCP4 192.0.2.1 192.0.2.2 ${sourcePort} 80\r\n`);
  return wire;
}

async function ask(wire: Wire, body: string): Promise<string> {
  const before = wire.text().length;
  wire.send(GET);
  await eventually(() => wire.text().slice(before).endsWith(body), { intervalMs: 2 });
  return wire.text().slice(before);
}

test('only connections of changed filter chains drain; new ones get the new configuration', async () => {
  await onStage(async (stage) => {
    const compile = versions();
    const apply = (listener: JsonObject) => stage.proxy.apply({ ...EMPTY_RUNTIME, listeners: compile([listener]) });
    await apply(twoChains(answer('kept'), answer('old')));
    const [kept, changed, idle] = [await openFrom(stage, 1111), await openFrom(stage, 2), await openFrom(stage, 3)];
    await ask(kept, 'kept');
    await ask(changed, 'old');
    await ask(idle, 'old');
    await apply(twoChains(answer('kept'), answer('new')));
    assert.doesNotMatch(await ask(kept, 'kept'), /connection: close/);
    assert.match(await ask(changed, 'old'), /connection: close/, 'a request of an old connection ends under the old configuration');
    await changed.closed();
    assert.equal(idle.isClosed(), false, 'an idle one is not cut');
    const fresh = await openFrom(stage, 2);
    assert.doesNotMatch(await ask(fresh, 'new'), /connection: close/);
    assert.equal(stage.proxy.listenerSet.draining.chains, 1);
    assert.match(await ask(idle, 'old'), /connection: close/);
    // What only matters to new connections changes nothing for those that are there.
    await apply(twoChains(answer('kept'), answer('new'), { listener_filters_timeout: '3s' }));
    assert.doesNotMatch(await ask(kept, 'kept'), /connection: close/);
    assert.doesNotMatch(await ask(fresh, 'new'), /connection: close/);
    // A change of the listener itself concerns all its chains.
    await apply(twoChains(answer('kept'), answer('new'), { traffic_direction: 'INBOUND' }));
    assert.match(await ask(kept, 'kept'), /connection: close/);
    for (const wire of [kept, changed, idle, fresh]) wire.close();
  });
});

test('HTTP/2 connections of a changed chain are told to go, and end their streams', async () => {
  await onStage(async (stage) => {
    const late = await stage.upstream((socket) => void setTimeout(() => socket.write(ok('late')), 150));
    const compile = versions();
    const listener = (prefix: string) => httpListener('in', [routeTo('up')], { stat_prefix: prefix });
    const runtime = runtimeOf({ clusters: [cluster('up', [late.port])] });
    await stage.proxy.apply({ ...runtime, listeners: compile([listener('a')]) });
    const session = connectHttp2(`http://127.0.0.1:${stage.port()}`);
    session.on('error', () => {});
    let goaway = false;
    session.on('goaway', () => {
      goaway = true;
    });
    const stream = session.request({ ':path': '/', ':authority': 'a.test' });
    let body = '';
    stream.on('data', (bytes: Buffer) => {
      body += bytes;
    });
    const ended = new Promise((resolve) => stream.on('end', resolve));
    await eventually(() => late.received.length === 1);
    await stage.proxy.apply({ ...runtime, listeners: compile([listener('b')]) });
    await eventually(() => goaway);
    await ended;
    assert.equal(body, 'late');
    session.close();
  });
});

test('a listener whose address changes moves; where it cannot, the old one serves on and the reason is told', async () => {
  await onStage(async (stage) => {
    const taken = await stage.upstream(() => {});
    const compile = versions();
    const at = (port: number, body: string) => ({
      ...answer(body),
      name: 'in',
      address: { socket_address: { address: '127.0.0.1', port_value: port } },
      enable_reuse_port: false,
    });
    await stage.proxy.apply({ ...EMPTY_RUNTIME, listeners: compile([at(0, 'one')]) });
    const first = stage.port();
    const wire = await openWire(first);
    await assert.rejects(
      stage.proxy.apply({ ...EMPTY_RUNTIME, listeners: compile([at(taken.port, 'two')]) }),
      /listener in cannot be bound/,
    );
    assert.equal(stage.port(), first);
    assert.doesNotMatch(await ask(wire, 'one'), /connection: close/);
    assert.deepEqual([...stage.proxy.listenerSet.failures.keys()], ['in']);
    await taken.close();
    // The next change, of whatever, tries again.
    await stage.proxy.apply({ ...EMPTY_RUNTIME, listeners: compile([at(taken.port, 'two')]) });
    assert.equal(stage.port(), taken.port);
    assert.match(await ask(wire, 'one'), /connection: close/);
    const moved = await openWire(taken.port);
    await ask(moved, 'two');
    wire.close();
    moved.close();
  });
});

test('two listeners can swap their ports', async () => {
  await onStage(async (stage) => {
    const compile = versions();
    const named = (name: string, port: number) => ({
      ...answer(name),
      name,
      address: { socket_address: { address: '127.0.0.1', port_value: port } },
      enable_reuse_port: false,
    });
    const apply = (a: number, b: number) => stage.proxy.apply({ ...EMPTY_RUNTIME, listeners: compile([named('in', a), named('b', b)]) });
    await apply(0, 0);
    const [one, two] = [stage.proxy.addressOf('in')?.port ?? 0, stage.proxy.addressOf('b')?.port ?? 0];
    await apply(one, two);
    await apply(two, one);
    assert.deepEqual([stage.proxy.addressOf('in')?.port, stage.proxy.addressOf('b')?.port], [two, one]);
  });
});

test('200 reloads under load lose no request, and connections of what did not change stay', async () => {
  await onStage(async (stage) => {
    const up = await stage.upstream(answering(() => ok('up')));
    const compile = versions();
    const clusters = runtimeOf({ clusters: [cluster('up', [up.port])] });
    const version = (n: number) => {
      const kept = httpListener('x', [routeTo('up')], { stat_prefix: 'kept' });
      const changing = httpListener('x', [routeTo('up', { timeout: `${10 + n}s` })]);
      return { ...clusters, listeners: compile([twoChains(kept, changing), tcpListener('tcp', { cluster: 'up', stat_prefix: `t${n}` })]) };
    };
    await stage.proxy.apply(version(0));
    let running = true;
    let requests = 0;
    let reconnects = 0;
    const failures: string[] = [];
    /** Keep-alive until the proxy says that it closes; a request on a closed connection is a failure. */
    const client = async (sourcePort: number) => {
      let wire = await openFrom(stage, sourcePort);
      while (running) {
        try {
          const text = await ask(wire, 'up');
          requests++;
          if (text.includes('connection: close')) {
            wire.close();
            reconnects += sourcePort === 1111 ? 1000 : 1;
            wire = await openFrom(stage, sourcePort);
          }
        } catch (error) {
          failures.push(String(error));
          break;
        }
      }
      wire.close();
    };
    const clients = [1111, 1111, 2, 3, 4, 5].map(client);
    for (let n = 1; n <= 200; n++) {
      await stage.proxy.apply(version(n));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    running = false;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
    assert.ok(requests > 500, `${requests} requests`);
    assert.ok(reconnects > 0 && reconnects < 1000, `${reconnects}: clients of the changing chain had to come again, the others never`);
    await eventually(() => stage.proxy.connectionCount === 0);
  });
});
