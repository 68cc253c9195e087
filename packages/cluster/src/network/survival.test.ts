import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import type { NetworkMode } from '../contracts.ts';
import { chooseNetworkMode } from './index.ts';

type Started = { parent: ChildProcess; nextLine(): Promise<Record<string, unknown>>; pid: number; pids: number[] };

/** `lateen up` in small: a parent, the node process, two pods. */
async function start(mode: NetworkMode): Promise<Started> {
  const parent = spawn(process.execPath, [path.join(import.meta.dirname, 'testing/survival-parent.ts'), mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: parent.stdout as NonNullable<typeof parent.stdout> })[Symbol.asyncIterator]();
  const nextLine = async () => JSON.parse((await lines.next()).value ?? '{}') as Record<string, unknown>;
  const { pid, pids } = (await nextLine()) as { pid: number; pids: number[] };
  return { parent, nextLine, pid, pids };
}

const namespaceOf = (pid: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
};
const allPids = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
function killIfLeft(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // As it should be.
  }
}
const hostLinks = () => readdirSync('/sys/class/net').sort();

for (const mode of ['root', 'rootless', 'proxy'] as const) {
  const refusal = await chooseNetworkMode(mode).then(
    () => undefined,
    (error: Error) => error.message,
  );
  describe(`kill -9, ${mode}`, { skip: refusal ?? false }, () => {
    for (const victim of ['parent', 'node process'] as const) {
      test(`of the ${victim} leaves no process, namespace or link`, async (t) => {
        const links = hostLinks();
        const { parent, nextLine, pid, pids } = await start(mode);
        t.after(() => [pid, ...pids].forEach(killIfLeft));
        const exited = once(parent, 'exit');
        const made = new Set([pid, ...pids].map(namespaceOf));
        assert.equal(made.size, mode === 'proxy' ? 1 : 3, 'the node and each of two pods have a namespace of their own');
        // A namespace goes with its last process: none may be in one of these afterwards. (Its number may be used again at once.)
        const members = mode === 'proxy' ? [pid, ...pids] : allPids().filter((each) => made.has(namespaceOf(each)));
        process.kill(victim === 'parent' ? (parent.pid as number) : pid, 'SIGKILL');
        if (victim === 'node process') assert.deepEqual(await nextLine(), { exit: { code: null, signal: 'SIGKILL' } });
        await exited;
        await eventually(() => [...members, ...pids].every((each) => !existsSync(`/proc/${each}`)));
        assert.deepEqual(hostLinks(), links);
      });
    }
  });
}
