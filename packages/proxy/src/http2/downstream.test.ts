import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { ok, openWire, type Wire } from '../testing/wire.ts';
import { createLineReader, type FrameText, fields, frame, HELLO, readFrames, requestOf } from './testing/frames.ts';

// The life of a downstream connection, frame by frame; what the RFC's checklist asks is in test/conformance/h2.

const GET = requestOf('GET', '/a');
const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

type Client = { wire: Wire; frames(): FrameText[]; of(type: number, streamId?: number): FrameText[]; send(...frames: Buffer[]): void };

async function openClient(port: number, settings: Buffer = frame(4, 0, 0)): Promise<Client> {
  const wire = await openWire(port);
  wire.send(HELLO.subarray(0, 24));
  wire.send(settings);
  const frames = () => readFrames(wire.text());
  return {
    wire,
    frames,
    of: (type, streamId) => frames().filter((one) => one.type === type && (streamId === undefined || one.streamId === streamId)),
    send: (...parts) => wire.send(Buffer.concat(parts)),
  };
}

type Answering = Parameters<Stage['upstream']>[0];

async function withClient(
  hcm: object,
  run: (client: Client, stage: Stage) => Promise<void>,
  { settings, answer = answerEach('hi') }: { settings?: Buffer; answer?: Answering } = {},
): Promise<void> {
  await onStage(async (stage) => {
    const upstream = await stage.upstream(answer);
    const listeners = [httpListener('in', [routeTo('up')], { codec_type: 'HTTP2', ...hcm })];
    await stage.apply({ listeners, clusters: [cluster('up', [upstream.port])] });
    const client = await openClient(stage.port(), settings);
    try {
      await run(client, stage);
    } finally {
      client.wire.close();
    }
  });
}

const answerEach = (body: string): Answering => {
  const answered = new WeakMap<object, number>();
  return (socket, text) => {
    const count = text.split('\r\n\r\n').length - 1;
    for (let i = answered.get(socket) ?? 0; i < count; i++) socket.write(ok(body));
    answered.set(socket, count);
  };
};

const goaways = (client: Client): number[][] => client.of(7).map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);

test('streams that are open at once are answered, each on its own', async () => {
  await withClient({}, async (client) => {
    client.send(...[1, 3, 5].map((id) => frame(1, 5, id, GET)));
    await eventually(() => assert.equal(client.of(0).length, 3));
    const read = createLineReader();
    for (const { payload } of client.of(1)) assert.equal(read(payload)[0], ':status: 200');
    assert.deepEqual(
      client
        .of(0)
        .map(({ streamId, flags, payload }) => [streamId, flags, payload.toString()])
        .sort(),
      [
        [1, 1, 'hi'],
        [3, 1, 'hi'],
        [5, 1, 'hi'],
      ],
    );
  });
});

test('the same requests mean the same byte by byte', async () => {
  await withClient({}, async (client) => {
    const bytes = Buffer.concat([frame(1, 4, 1, GET), frame(0, 9, 1, '\x03abc\0\0\0'), frame(6, 0, 0, '12345678')]);
    for (const byte of bytes) {
      client.wire.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => assert.equal(client.of(6).length, 1));
    await eventually(() => assert.equal(client.of(0, 1).length, 1));
  });
});

test('an answer waits for the windows of stream and connection', async () => {
  const settings = frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(10)]));
  await withClient(
    {},
    async (client) => {
      client.send(frame(1, 5, 1, GET));
      await eventually(() => assert.equal(client.of(0, 1)[0]!.payload.length, 10));
      client.send(frame(8, 0, 1, uint32(5)));
      await eventually(() => assert.equal(client.of(0, 1).length, 2));
      assert.equal(client.of(0, 1)[1]!.payload.length, 5);
      // A larger initial window opens those of streams that are open.
      client.send(frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(1000)])));
      await eventually(() => assert.equal(Buffer.concat(client.of(0, 1).map(({ payload }) => payload)).toString(), 'x'.repeat(100)));
      assert.equal(client.of(0, 1).at(-1)!.flags, 1);
    },
    { settings, answer: answerEach('x'.repeat(100)) },
  );
});

test('what new SETTINGS let go comes behind their acknowledgement', async () => {
  const window = (bytes: number) => frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(bytes)]));
  await withClient(
    {},
    async ({ send, frames, of }) => {
      send(frame(1, 5, 1, GET));
      await eventually(() => assert.equal(of(1).length, 1));
      send(window(1));
      await eventually(() => assert.equal(of(0).length, 1));
      const after = frames().slice(frames().findIndex(({ type }) => type === 1) + 1);
      assert.deepEqual(
        after.map(({ type, flags }) => [type, flags]),
        [
          [4, 1],
          [0, 0],
        ],
      );
    },
    { settings: window(0) },
  );
});

test('a client that takes nothing loses its stream after the stream idle timeout', async () => {
  const settings = frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(0)]));
  await withClient(
    { stream_idle_timeout: '0.2s' },
    async (client, stage) => {
      client.send(frame(1, 5, 1, GET));
      await eventually(() =>
        assert.deepEqual(
          client.of(3, 1).map(({ payload }) => payload.readUInt32BE(0)),
          [8],
        ),
      );
      await eventually(() => assert.match(stage.log[0] ?? '', /^200 \S+ stream_idle_timeout/));
    },
    { settings },
  );
});

test('draining says GOAWAY twice: first no new requests, at the end of the drain time the last one that counts', async () => {
  await withClient({ drain_timeout: '0.3s' }, async (client, stage) => {
    client.send(frame(1, 5, 1, GET));
    await eventually(() => assert.equal(client.of(0, 1).length, 1));
    stage.proxy.drain();
    // On its way when the first GOAWAY came: it is taken.
    client.send(frame(1, 5, 3, GET));
    await eventually(() => assert.equal(client.of(0, 3).length, 1));
    await client.wire.closed();
    assert.deepEqual(goaways(client), [
      [0x7fff_ffff, 0],
      [3, 0],
    ]);
  });
});

for (const [what, hcm] of [
  ['max_connection_duration', { common_http_protocol_options: { max_connection_duration: '0.2s' }, drain_timeout: '0.1s' }],
  ['idle_timeout', { common_http_protocol_options: { idle_timeout: '0.2s' }, drain_timeout: '0.1s' }],
] as const) {
  test(`${what} ends a connection in order`, async () => {
    await withClient(hcm, async (client) => {
      await client.wire.closed();
      assert.deepEqual(goaways(client), [
        [0x7fff_ffff, 0],
        [0, 0],
      ]);
    });
  });
}

test('max_requests_per_connection ends a connection with its last answer', async () => {
  await withClient({ common_http_protocol_options: { max_requests_per_connection: 2 }, drain_timeout: '0.1s' }, async (client) => {
    for (const id of [1, 3]) {
      client.send(frame(1, 5, id, GET));
      await eventually(() => assert.equal(client.of(0, id).length, 1));
    }
    await client.wire.closed();
    assert.deepEqual(goaways(client).at(-1), [3, 0]);
  });
});

test('a peer that answers no PING is gone', async () => {
  const keepalive = { connection_keepalive: { interval: '0.1s', timeout: '0.2s', interval_jitter: { value: 0 } } };
  await withClient({ http2_protocol_options: keepalive }, async (client) => {
    await eventually(() => assert.equal(client.of(6).length, 1));
    client.send(frame(6, 1, 0, client.of(6)[0]!.payload));
    await eventually(() => assert.equal(client.of(6).length, 2));
    await client.wire.closed();
  });
});

test('the head of a request may not take for ever', async () => {
  await withClient({ request_headers_timeout: '0.2s' }, async (client) => {
    client.send(frame(1, 1, 1, GET));
    await client.wire.closed();
    assert.equal(goaways(client)[0]![1], 11);
  });
});

test('a request whose body takes too long is answered 408', async () => {
  await withClient(
    { request_timeout: '0.2s' },
    async (client) => {
      client.send(frame(1, 4, 1, requestOf('POST', '/a')), frame(0, 0, 1, 'x'));
      await eventually(() => assert.equal(client.of(1, 1).length, 1));
      assert.equal(createLineReader()(client.of(1, 1)[0]!.payload)[0], ':status: 408');
      await eventually(() =>
        assert.deepEqual(
          client.of(3, 1).map(({ payload }) => payload.readUInt32BE(0)),
          [0],
        ),
      );
    },
    { answer: () => {} },
  );
});

test('more streams than allowed are refused, and a place is free again when a stream has ended', async () => {
  await withClient(
    { http2_protocol_options: { max_concurrent_streams: 2 } },
    async (client) => {
      client.send(...[1, 3, 5].map((id) => frame(1, 5, id, GET)));
      await eventually(() =>
        assert.deepEqual(
          client.of(3).map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)]),
          [[5, 7]],
        ),
      );
      client.send(frame(3, 0, 1, uint32(8)), frame(1, 5, 7, GET), frame(6, 0, 0, '12345678'));
      await eventually(() => assert.equal(client.of(6).length, 1));
      assert.equal(client.of(3).length, 1);
    },
    { answer: () => {} },
  );
});

test('malformed requests cost their stream where the configuration says so, else the connection', async () => {
  const bad = fields([':method', 'GET'], [':scheme', 'http'], [':path', '/'], ['Upper', 'x']);
  await withClient({ http2_protocol_options: { override_stream_error_on_invalid_http_message: true } }, async (client) => {
    client.send(frame(1, 5, 1, bad), frame(1, 5, 3, GET));
    await eventually(() => assert.equal(client.of(0, 3).length, 1));
    assert.deepEqual(
      client.of(3).map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)]),
      [[1, 1]],
    );
  });
  await withClient({}, async (client) => {
    client.send(frame(1, 5, 1, bad), frame(1, 5, 3, GET));
    await client.wire.closed();
    assert.deepEqual(goaways(client)[0], [1, 1]);
  });
});

test('a large upload does not outrun its upstream', async () => {
  let taken = 0;
  await withClient(
    { http2_protocol_options: { initial_stream_window_size: 65536, initial_connection_window_size: 1048576 } },
    async (client) => {
      client.send(frame(1, 4, 1, requestOf('POST', '/a')));
      // 16 frames of 4 KiB fill the window; WINDOW_UPDATE comes only for what went on.
      for (let i = 0; i < 16; i++) client.send(frame(0, 0, 1, Buffer.alloc(4096)));
      await eventually(() => assert.ok(taken >= 65536));
      await eventually(() => assert.ok(client.of(8, 1).length > 0));
      client.send(frame(0, 1, 1, 'end'));
      await eventually(() => assert.equal(client.of(0, 1).length, 1));
    },
    {
      answer: (socket, text) => {
        taken = text.length;
        if (text.endsWith('\r\n0\r\n\r\n')) socket.write(ok('done'));
      },
    },
  );
});

const post = (...more: readonly [string, string][]) => requestOf('POST', '/a', ...more);
const pushed = (count: number, part: Buffer) => Array.from({ length: count }, () => part);

/** What a client breaks, what is counted of it, and what the log has: flags and Envoy's details; `lives`: the connection serves on. */
const BREAKS: readonly { what: string; frames: readonly Buffer[]; log: string; counted: string; lives?: boolean }[] = [
  {
    what: 'an empty name',
    counted: 'rx_messaging_error',
    frames: [frame(1, 5, 1, requestOf('GET', '/', ['', 'x']))],
    log: 'DPE http2.invalid.header.field',
  },
  {
    what: 'a relative path',
    counted: 'rx_messaging_error',
    frames: [frame(1, 5, 1, requestOf('GET', 'a'))],
    log: 'DPE http2.violation.of.messaging.rule',
  },
  {
    what: 'two empty DATA',
    counted: 'inbound_empty_frames_flood',
    frames: [frame(1, 4, 1, post()), ...pushed(2, frame(0, 0, 1))],
    log: 'DPE http2.inbound_empty_frames_flood',
  },
  {
    what: 'a head that never comes',
    counted: 'inbound_empty_frames_flood',
    frames: [frame(1, 0, 1), ...pushed(2, frame(9, 0, 1))],
    log: 'DPE http2.inbound_empty_frames_flood',
  },
  {
    what: 'too many WINDOW_UPDATE',
    counted: 'inbound_window_update_frames_flood',
    frames: [frame(1, 4, 1, post()), ...pushed(8, frame(8, 0, 1, uint32(1)))],
    log: 'DPE codec_error:Too_many_WINDOW_UPDATE_frames',
  },
  {
    what: 'too many fields',
    counted: 'header_overflow',
    frames: [frame(1, 5, 1, requestOf('GET', '/', ...Array.from({ length: 110 }, (_, i): [string, string] => [`a${i}`, 'x'])))],
    log: 'DR http2.too_many_headers',
    lives: true,
  },
  {
    what: 'fields that are too large, in frames that are not',
    counted: 'header_list_size_too_large',
    frames: [frame(1, 1, 1, GET), ...[1, 2, 3, 4, 5].map((i) => frame(9, i === 5 ? 4 : 0, 1, fields([`a${i}`, 'x'.repeat(15_000)])))],
    log: 'DR http2.header_list_size_too_large',
    lives: true,
  },
  {
    what: 'trailers of too many fields',
    counted: 'header_overflow',
    frames: [frame(1, 4, 1, post()), frame(1, 5, 1, fields(...Array.from({ length: 110 }, (_, i): [string, string] => [`a${i}`, 'x'])))],
    log: 'DR http2.too_many_headers',
    lives: true,
  },
  {
    what: 'a body shorter than its length',
    counted: 'tx_reset',
    frames: [frame(1, 4, 1, post(['content-length', '9'])), frame(0, 1, 1, 'short')],
    log: 'DPE http2.violation.of.messaging.rule',
    lives: true,
  },
  {
    what: 'RST_STREAM',
    counted: 'rx_reset',
    frames: [frame(1, 4, 1, post()), frame(3, 0, 1, uint32(8))],
    log: 'DR http2.remote_reset',
    lives: true,
  },
  {
    what: 'REFUSED_STREAM',
    counted: 'rx_reset',
    frames: [frame(1, 4, 1, post()), frame(3, 0, 1, uint32(7))],
    log: 'DR http2.remote_refuse',
    lives: true,
  },
];

for (const { what, frames, log, counted, lives = false } of BREAKS) {
  test(`a client sends ${what}: ${log}`, async () => {
    await withClient({}, async (client, stage) => {
      client.send(...frames);
      await eventually(() => assert.match(stage.log[0] ?? '', new RegExp(` ${log}`)));
      assert.ok(stage.counted.includes(`http2.${counted}`), stage.counted.join());
      if (!lives) return void (await eventually(() => assert.equal(client.of(7).length, 1)));
      client.send(frame(1, 5, 3, GET));
      await eventually(() => assert.equal(client.of(1, 3).length, 1));
    });
  });
}

test('PINGs that keep pace with the messages are no flood', async () => {
  const talk = async (client: Client) => {
    client.send(frame(1, 4, 1, post()));
    for (let i = 0; i < 30; i++) {
      const round = Array.from({ length: 100 }, () => [frame(0, 0, 1, 'x'), frame(6, 0, 0, '12345678')]).flat();
      client.send(...round);
      await eventually(() => assert.equal(client.of(6).length, (i + 1) * 100));
    }
    assert.deepEqual(goaways(client), []);
  };
  await withClient({}, talk, { answer: () => {} });
});
