// Plan A7: what a client says of itself, by topology. Envoy on the same configuration is the second column where it is installed.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { freePort } from '@lateen/base/testing';
import { noEnvoy } from '../../support/envoy.ts';
import { openRaw } from '../../support/raw-client.ts';
import { clusterOf, listenerOf, PROFILES, type Profile } from '../support/configuration.ts';
import { startEnvoyTarget } from '../support/envoy-target.ts';
import { startTarget } from '../support/target.ts';
import { type Recorder, startRecorder } from './recorder.ts';

/** Values of `name` that the upstream sees; a number: the request is refused with this status and the upstream sees nothing. */
type Expected = readonly string[] | number;

type Row = {
  name: string;
  /** Header lines of the request. */
  sends: string;
  /** The header looked at upstream. */
  header: string;
  expects: Readonly<Record<Profile, Expected>>;
  /** What Envoy does instead and why we do not. */
  differs?: { envoy: Readonly<Record<Profile, Expected>>; why: string };
};

const both = (expected: Expected): Record<Profile, Expected> => ({ gateway: expected, inbound: expected });
const stripped = (header: string, value: string): Row => ({
  name: `${header} of a client`,
  sends: `${header}: ${value}\r\n`,
  header,
  expects: { gateway: [], inbound: [value] },
});

const ROWS: readonly Row[] = [
  {
    name: 'x-forwarded-for of a client',
    sends: 'X-Forwarded-For: 10.1.1.1\r\n',
    header: 'x-forwarded-for',
    expects: { gateway: ['10.1.1.1,client'], inbound: ['10.1.1.1'] },
  },
  {
    name: 'x-forwarded-proto of a client',
    sends: 'X-Forwarded-Proto: https\r\n',
    header: 'x-forwarded-proto',
    expects: { gateway: ['http'], inbound: ['https'] },
  },
  {
    name: 'x-forwarded-client-cert without mutual TLS',
    sends: 'X-Forwarded-Client-Cert: By=spiffe://a;URI=spiffe://b\r\n',
    header: 'x-forwarded-client-cert',
    expects: both([]),
  },
  // The router itself takes these two, wherever they come from.
  { name: 'x-envoy-retry-on of a client', sends: 'X-Envoy-Retry-On: 5xx\r\n', header: 'x-envoy-retry-on', expects: both([]) },
  {
    name: 'x-envoy-upstream-rq-timeout-ms of a client',
    sends: 'X-Envoy-Upstream-Rq-Timeout-Ms: 900\r\n',
    header: 'x-envoy-upstream-rq-timeout-ms',
    expects: both([]),
  },
  stripped('x-envoy-decorator-operation', 'mine'),
  {
    name: 'x-request-id of a client',
    sends: 'X-Request-Id: mine\r\n',
    header: 'x-request-id',
    expects: { gateway: ['made'], inbound: ['mine'] },
  },
  { name: 'an underscore in a name', sends: 'x_user: root\r\n', header: 'x_user', expects: { gateway: 400, inbound: ['root'] } },
  { name: 'a header that Connection names', sends: 'Connection: X-Hop\r\nX-Hop: 1\r\n', header: 'x-hop', expects: both([]) },
  {
    name: 'a secret that Connection names',
    sends: 'Connection: Authorization\r\nAuthorization: s\r\n',
    header: 'authorization',
    expects: both(400),
    differs: { envoy: both([]), why: 'nobody strips credentials of a request by accident' },
  },
  {
    name: 'x-forwarded-for that Connection names',
    sends: 'Connection: X-Forwarded-For\r\n',
    header: 'x-forwarded-for',
    expects: both(400),
  },
  {
    name: 'Keep-Alive and Proxy-Connection',
    sends: 'Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\n',
    header: 'keep-alive',
    expects: both([]),
  },
  { name: 'TE other than trailers', sends: 'Connection: TE\r\nTE: gzip, deflate\r\n', header: 'te', expects: both([]) },
  { name: 'an Upgrade that Connection does not name', sends: 'Upgrade: websocket\r\n', header: 'upgrade', expects: both([]) },
];

const ENGINES = ['Lateen', 'Envoy'] as const;

for (const engine of ENGINES) {
  for (const profile of PROFILES) {
    suite(`headers of a client, ${profile}, ${engine}`, { skip: engine === 'Envoy' ? (noEnvoy ?? false) : false }, () => {
      let recorder: Recorder;
      let target: { close(): Promise<void> };
      let port = 0;
      before(async () => {
        recorder = await startRecorder();
        port = await freePort();
        const listeners = [listenerOf({ name: 'in', port, profile })];
        const clusters = [clusterOf('up', recorder.port)];
        target = engine === 'Envoy' ? await startEnvoyTarget(listeners, clusters, port) : await startTarget(listeners, clusters);
      });
      after(async () => {
        await target?.close();
        await recorder?.close();
      });
      for (const row of ROWS) {
        test(row.name, async () => {
          const expected = (engine === 'Envoy' ? row.differs?.envoy : undefined) ?? row.expects;
          assert.deepEqual(await play(recorder, port, row), expected[profile]);
        });
      }
    });
  }
}

test('the table has the count of the plan', () => assert.equal(ROWS.length * PROFILES.length, 28));

async function play(recorder: Recorder, port: number, { sends, header }: Row): Promise<Expected> {
  recorder.mark();
  const client = await openRaw(port);
  try {
    await client.send([`GET /x HTTP/1.1\r\nHost: a.test\r\n${sends}\r\n`]);
    const [answer] = await client.expectAnswers(1);
    const { requests } = recorder.since();
    assert.equal(requests.length, answer!.status === 200 ? 1 : 0);
    if (answer!.status !== 200) return answer!.status;
    const values = requests[0]!.headers.filter(([name]) => name === header).map(([, value]) => value);
    // Envoy names the machine instead of a loopback client.
    return values.map((value) => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value) ? 'made' : value.replace(/,[0-9.]+$/, ',client')));
  } finally {
    client.close();
  }
}
