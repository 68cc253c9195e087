// The common shape of the HTTP scenarios: one upstream, one setup, all peers, requests per CPU-second.

import { httpRequest } from '../../test/support/http.ts';
import { interleave, perCpuSecond, type Settings } from './measure.ts';
import { nginxUpstream } from './nginx.ts';
import { type Peer, type RunningPeer, startPeer } from './peers.ts';
import { type Row, rowOf } from './report.ts';
import { ADDED_RESPONSE_HEADER, REQUEST_PATH, type Setup } from './setup.ts';
import { freePort, LOAD_CPU, type Stage } from './stage.ts';

/** nginx answering `bodyBytes` bytes; gives its port once it answers. */
export async function startUpstream(stage: Stage, options: Omit<Parameters<typeof nginxUpstream>[1], 'port'>): Promise<number> {
  const port = await freePort();
  stage.start(LOAD_CPU, nginxUpstream(stage, { port, ...options }));
  return port;
}

/** Starts every asked peer; stops those that stand when `use` has ended. */
export async function withPeers<T>(
  stage: Stage,
  options: { setup: Setup; settings: Settings; isReady: (port: number) => Promise<boolean> },
  use: (peers: readonly Peer[]) => Promise<T>,
): Promise<T> {
  const peers: Peer[] = [];
  try {
    for (const name of options.settings.peers) peers.push(await startPeer(name, stage, options));
    return await use(peers);
  } finally {
    await Promise.all(peers.map((peer) => 'port' in peer && peer.stop()));
  }
}

/** The whole header work is seen to be done, so that no peer is measured doing less. */
export async function answersPlain(port: number): Promise<boolean> {
  const answer = await httpRequest(`http://127.0.0.1:${port}${REQUEST_PATH}`);
  return answer.status === 200 && answer.headers[ADDED_RESPONSE_HEADER] === 'proxy' && answer.headers['x-powered-by'] === undefined;
}

/** One row: requests per CPU-second of each peer under `load`, which gives the number of requests. */
export async function requestsPerCpuSecond(
  name: string,
  { peers, settings, load }: { peers: readonly Peer[]; settings: Settings; load: (peer: RunningPeer) => Promise<number> },
): Promise<Row> {
  const measured = await interleave(peers, settings, (peer) => perCpuSecond(peer, () => load(peer)));
  return rowOf({ name, unit: 'requests/CPU-s', better: 'more' }, measured);
}
