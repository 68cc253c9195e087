// How long the whole mesh takes to start, what it weighs, and how quickly a rule takes effect. See README.md for the method.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { httpRequest } from '../test/support/http.ts';

const checkout = resolve(import.meta.dirname, '..');
const rung = process.argv[2] ?? 'auto';
const stateDir = mkdtempSync(join(tmpdir(), 'lateen-bench-'));
const RULE_CHANGES = 10;
const IN_A_ROW = 10;

const startedMs = performance.now();
const mesh = spawn(join(checkout, 'lateen'), ['start', '--network', rung, '--state-dir', stateDir], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
let output = '';
mesh.stdout.on('data', (chunk: Buffer) => {
  output += chunk;
});
try {
  const url = await untilBanner();
  await until200(url);
  const startSeconds = (performance.now() - startedMs) / 1000;
  for (let i = 0; i < 200; i++) await httpRequest(url);
  const processes = treeOf(mesh.pid as number);
  const result = {
    machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${execFileSync(join(checkout, 'node_modules/.bin/node'), ['--version'], { encoding: 'utf8' }).trim()}`,
    network: /network: (\w+)/.exec(output)?.[1],
    startSeconds: Number(startSeconds.toFixed(1)),
    memoryMegabytes: Math.round(processes.reduce((sum, { pssKb }) => sum + pssKb, 0) / 1024),
    processes: processes.map(({ name, pssKb }) => `${Math.round(pssKb / 1024)} MB ${name}`),
    ruleEffectMs: await measureRules(url),
  };
  console.log(JSON.stringify(result, null, 2));
} finally {
  mesh.kill('SIGTERM');
  await new Promise((done) => mesh.once('exit', done));
  rmSync(stateDir, { recursive: true, force: true });
}

async function untilBanner(): Promise<string> {
  while (!output.includes('The mesh is up')) {
    if (mesh.exitCode !== null) throw new Error(`the mesh ended:\n${output}`);
    await new Promise((next) => setTimeout(next, 20));
  }
  return /https?:\/\/\S+\/productpage/.exec(output)?.[0] as string;
}

async function until200(url: string): Promise<void> {
  while ((await httpRequest(url).catch(() => undefined))?.status !== 200) await new Promise((next) => setTimeout(next, 20));
}

type ProcessWeight = { name: string; pssKb: number };

function treeOf(root: number): ProcessWeight[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = readOptional(`/proc/${entry}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found: ProcessWeight[] = [];
  const visit = (pid: number) => {
    const pss = /^Pss:\s+(\d+)/m.exec(readOptional(`/proc/${pid}/smaps_rollup`));
    if (pss) found.push({ name: readOptional(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(-80).trim(), pssKb: Number(pss[1]) });
    for (const child of children.get(pid) ?? []) visit(child);
  };
  visit(root);
  return found;
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function measureRules(url: string): Promise<{ median: number; worst: number }> {
  const kubectl = (file: string) =>
    execFileSync('kubectl', ['apply', '-f', join(checkout, 'samples/bookinfo/networking', file)], {
      env: { ...process.env, KUBECONFIG: join(stateDir, 'kubeconfig') },
    });
  kubectl('destination-rule-all.yaml');
  const times: number[] = [];
  for (let i = 0; i < RULE_CHANGES; i++) {
    const toV3 = i % 2 === 0;
    kubectl(toV3 ? 'virtual-service-reviews-v3.yaml' : 'virtual-service-all-v1.yaml');
    const appliedMs = performance.now();
    let firstMs = appliedMs;
    for (let row = 0; row < IN_A_ROW; ) {
      const askedMs = performance.now();
      const obeys = (await httpRequest(url)).body.includes('red stars') === toV3;
      if (row === 0 || !obeys) firstMs = askedMs;
      row = obeys ? row + 1 : 0;
    }
    times.push(firstMs - appliedMs);
  }
  times.sort((a, b) => a - b);
  return { median: Math.round(times[times.length >> 1] as number), worst: Math.round(times.at(-1) as number) };
}
