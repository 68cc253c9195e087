// Runs the cases of scenes through one proxy and gives what each led to.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '@lateen/base';
import { freePort } from '@lateen/base/testing';
import { bootstrapOf, type Ports } from './bootstrap.ts';
import { type Running, startEnvoyOn, startLateenOn } from './engines.ts';
import { exchangeHttp1, type Tag } from './http1-client.ts';
import { exchangeHttp2 } from './http2-client.ts';
import { type Answer, type Case, LEGS, type Leg, legsOf, type Outcome, type Scene, type Seen } from './model.ts';
import { createNormalize } from './normalize.ts';
import type { Upstreams } from './upstreams.ts';

/** What a pair led to: on the wire, in the access log, or why the proxy did not start. */
export type Result = { outcome: Outcome; log: string[] } | { refused: string };
/** By `keyOf`. */
export type Results = Map<string, Result>;

export const keyOf = (scene: Scene, one: Case, leg: Leg) => `${scene.name} / ${one.name} / ${leg}`;

/** All scenes through one Envoy for each upstream protocol. */
export async function runEnvoy(scenes: readonly Scene[], upstreams: Upstreams): Promise<Results> {
  const results: Results = new Map();
  for (const http2Upstream of [false, true]) {
    await inFolder(async (folder) => {
      const ports = await portsOf(scenes, upstreams, http2Upstream);
      const first = ports.listeners.get(scenes[0]!.name)!;
      const running = await startEnvoyOn(bootstrapOf(scenes, { ports, http2Upstream, logFolder: folder }), { folder, port: first });
      try {
        for (const scene of scenes) await runScene(scene, { running, ports, upstreams, http2Upstream, folder, results });
      } finally {
        await running.close();
      }
    });
  }
  return results;
}

/** Each scene through a proxy of its own, so that a refused one does not hide the others. */
export async function runLateen(scenes: readonly Scene[], upstreams: Upstreams): Promise<Results> {
  return inFolder(async (folder) => {
    const results: Results = new Map();
    for (const http2Upstream of [false, true]) {
      for (const scene of scenes) {
        const ports = await portsOf([scene], upstreams, http2Upstream);
        let running: Running;
        try {
          running = await startLateenOn(bootstrapOf([scene], { ports, http2Upstream, logFolder: folder }));
        } catch (error) {
          refuse(scene, { http2Upstream, results, why: messageOf(error) });
          continue;
        }
        try {
          await runScene(scene, { running, ports, upstreams, http2Upstream, folder, results });
        } finally {
          await running.close();
        }
      }
    }
    return results;
  });
}

type SceneRun = { running: Running; ports: Ports; upstreams: Upstreams; http2Upstream: boolean; folder: string; results: Results };

async function runScene(scene: Scene, { running, ports, upstreams, http2Upstream, folder, results }: SceneRun): Promise<void> {
  const pairs = pairsOf(scene, http2Upstream);
  const port = ports.listeners.get(scene.name)!;
  const normalize = createNormalize(ports);
  const exchanges = await mapConcurrently(pairs, scene.isSequential ? 1 : 6, async ({ one, leg }, index) => {
    const tag: Tag = (upstream) => [
      ['x-case', `${index}`],
      ...(upstream ? [['x-do', JSON.stringify(upstream)] satisfies [string, string]] : []),
    ];
    return (leg.startsWith('h2') ? exchangeHttp2 : exchangeHttp1)(port, one, tag);
  });
  // Aborted and mirrored requests may end after their answers.
  await new Promise((next) => setTimeout(next, 30));
  for (const { close } of exchanges) close();
  const seen = upstreams.take();
  const lines = (await running.log(join(folder, `${scene.name}.log`))).map((line) => normalize.text(line));
  for (const [index, { one, leg }] of pairs.entries()) {
    const { answers, closed } = exchanges[index]!;
    const requests = seen.get(String(index)) ?? [];
    if (scene.sortsSeen) requests.sort((a, b) => (a.upstream < b.upstream ? -1 : a.upstream > b.upstream ? 1 : 0));
    const outcome: Outcome = {
      answers: answers.map((answer) => withoutLetters(scene, normalize.answer(answer))),
      seen: requests.map((one, i) => withoutLetters(scene, normalize.seen(one, i))),
      ...(closed !== undefined && { closed }),
    };
    const log = one.logVaries ? [] : lines.filter((line) => line.startsWith(`${index}|`)).map((line) => line.slice(line.indexOf('|') + 1));
    results.set(keyOf(scene, one, leg), { outcome, log });
  }
}

function withoutLetters<T extends Answer | Seen>(scene: Scene, message: T): T {
  if (scene.comparesLetters) return message;
  const { written: _, reason: __, ...others } = message as Answer;
  return others as T;
}

function refuse(scene: Scene, { http2Upstream, results, why }: { http2Upstream: boolean; results: Results; why: string }): void {
  for (const { one, leg } of pairsOf(scene, http2Upstream)) results.set(keyOf(scene, one, leg), { refused: why });
}

function pairsOf(scene: Scene, http2Upstream: boolean): { one: Case; leg: Leg }[] {
  const legs = LEGS.filter((leg) => leg.endsWith('-h2') === http2Upstream);
  return scene.cases.flatMap((one) => legsOf(scene, one).flatMap((leg) => (legs.includes(leg) ? [{ one, leg }] : [])));
}

async function portsOf(scenes: readonly Scene[], upstreams: Upstreams, http2Upstream: boolean): Promise<Ports> {
  const free = await Promise.all(scenes.map(freePort));
  return {
    upstreams: http2Upstream ? upstreams.http2 : upstreams.http1,
    listeners: new Map(scenes.map(({ name }, i) => [name, free[i] as number])),
  };
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-differential-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function mapConcurrently<A, B>(items: readonly A[], limit: number, run: (item: A, index: number) => Promise<B>): Promise<B[]> {
  const results: B[] = new Array(items.length);
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await run(items[index] as A, index);
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  return results;
}
