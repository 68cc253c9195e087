// Plan B1: 147 checks of RFC 9113 and RFC 7541, over plaintext and TLS. Other servers are there to prove the client right:
// CHECKLIST_PORT=18443 runs the list against a server that answers /x on that port.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { freePort } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { noEnvoy } from '../../support/envoy.ts';
import { startRecorder } from '../h1/recorder.ts';
import { clusterOf, downstreamTls, listenerOf } from '../support/configuration.ts';
import { startEnvoyTarget } from '../support/envoy-target.ts';
import { startTarget } from '../support/target.ts';
import type { Check } from './check.ts';
import { FRAMES } from './checklist-frames.ts';
import { GENERIC } from './checklist-generic.ts';
import { HPACK } from './checklist-hpack.ts';
import { MESSAGES } from './checklist-messages.ts';
import { CONNECTION, STATES } from './checklist-states.ts';
import { openFrames } from './frame-client.ts';

/** What a server must refuse, and how (after h2spec's "http2" group, in our words). */
const HTTP2 = [...CONNECTION, ...STATES, ...FRAMES, ...MESSAGES];
const CHECKS = [...GENERIC, ...HTTP2, ...HPACK];

/** A server elsewhere, to try the list itself (nghttpd --no-tls …). */
const foreign = Number(process.env.CHECKLIST_PORT ?? 0);

type Column = { name: string; tls: boolean; skip?: string | undefined; start: () => Promise<{ port: number; close(): Promise<void> }> };

const COLUMNS: readonly Column[] = [
  { name: 'Lateen, plaintext', tls: false, start: () => startLateen(false) },
  { name: 'Lateen, TLS', tls: true, start: () => startLateen(true) },
  { name: 'Envoy, plaintext', tls: false, skip: noEnvoy, start: startEnvoyHere },
];

test('the checklist has the counts of the plan', () => {
  assert.deepEqual([GENERIC.length, HTTP2.length, HPACK.length], [44, 95, 8]);
});

for (const column of foreign > 0
  ? [{ name: 'foreign', tls: false, start: async () => ({ port: foreign, close: async () => {} }) }]
  : COLUMNS) {
  suite(`HTTP/2 checklist, ${column.name}`, { skip: ('skip' in column && column.skip) || false }, () => {
    let server: { port: number; close(): Promise<void> };
    before(async () => {
      server = await column.start();
    });
    after(() => server?.close());
    for (const check of CHECKS) {
      const isEnvoy = column.name.startsWith('Envoy');
      if (isEnvoy && check.notEnvoy) continue;
      test(`${check.section}: ${check.name}`, () => play(check, { port: server.port, tls: column.tls, isEnvoy }));
    }
  });
}

async function startLateen(tls: boolean): Promise<{ port: number; close(): Promise<void> }> {
  const recorder = await startRecorder();
  const { chainPem, keyPem } = createCertificateAuthority().issueServer(['a.test']);
  const transportSocket = tls ? { transportSocket: downstreamTls({ cert: chainPem, key: keyPem }) } : {};
  const target = await startTarget(
    [listenerOf({ name: 'in', port: 0, profile: 'gateway', ...transportSocket })],
    [clusterOf('up', recorder.port)],
  );
  const close = async () => {
    await target.close();
    await recorder.close();
  };
  return { port: target.portOf('in'), close };
}

async function startEnvoyHere(): Promise<{ port: number; close(): Promise<void> }> {
  const recorder = await startRecorder();
  const port = await freePort();
  const target = await startEnvoyTarget(
    [listenerOf({ name: 'in', port, profile: 'gateway', hcm: { delayed_close_timeout: '0.05s' } })],
    [clusterOf('up', recorder.port)],
    port,
  );
  const close = async () => {
    await target.close();
    await recorder.close();
  };
  return { port, close };
}

type Place = { port: number; tls: boolean; isEnvoy: boolean };

async function play({ run, expects, handshake = true, settings = [] }: Check, { port, tls, isEnvoy }: Place): Promise<void> {
  const client = await openFrames(port, { tls, handshake, settings });
  client.toleratesBareClose = isEnvoy;
  try {
    await run(client);
    await expects(client);
  } finally {
    client.close();
  }
}
