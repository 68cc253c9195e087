// Small requests through Lateen's proxy and through nginx, per second of their CPU time. See README.md for the method.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/echo-upstream.ts';
import { httpRequest } from '../test/support/http.ts';

const checkout = resolve(import.meta.dirname, '..');
const RUNS = Number(process.argv[2] ?? 5);
const RUN_SECONDS = 2;
const CONNECTIONS = 32;
const TICKS_PER_SECOND = 100;

const folder = mkdtempSync(join(tmpdir(), 'lateen-bench-'));
const children: ChildProcess[] = [];
try {
  const [upstream, nginxPort, lateenPort] = await Promise.all([freePort(), freePort(), freePort()]);
  start(1, 'nginx', nginxArguments('upstream', `server { listen 127.0.0.1:${upstream}; return 200 "0123456789"; }`));
  const nginx = start(
    0,
    'nginx',
    nginxArguments(
      'proxy',
      `upstream app { server 127.0.0.1:${upstream}; keepalive 64; keepalive_requests 1000000; }
       server { listen 127.0.0.1:${nginxPort}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
    ),
  );
  const bootstrap = join(folder, 'bootstrap.json');
  writeFileSync(bootstrap, JSON.stringify(bootstrapOf(lateenPort, upstream)));
  const lateen = start(0, join(checkout, 'lateen'), ['proxy', '-c', bootstrap, '-l', 'error']);
  const engines = { nginx: { port: nginxPort, process: nginx }, lateen: { port: lateenPort, process: lateen } };
  for (const { port } of Object.values(engines)) await until200(`http://127.0.0.1:${port}/`);
  const perCpuSecond: Record<keyof typeof engines, number[]> = { nginx: [], lateen: [] };
  for (let run = -1; run < RUNS; run++) {
    for (const name of ['nginx', 'lateen'] as const) {
      const { port, process: child } = engines[name];
      const before = cpuSeconds(child.pid as number);
      const requests = load(`http://127.0.0.1:${port}/`);
      // The first run warms up.
      if (run >= 0) perCpuSecond[name].push(requests / (cpuSeconds(child.pid as number) - before));
    }
  }
  const result = {
    machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${execFileSync(join(checkout, 'node_modules/.bin/node'), ['--version'], { encoding: 'utf8' }).trim()}`,
    requestsPerCpuSecond: { nginx: median(perCpuSecond.nginx), lateen: median(perCpuSecond.lateen) },
    ratio: Number((median(perCpuSecond.lateen) / median(perCpuSecond.nginx)).toFixed(2)),
    runs: perCpuSecond.lateen.map((value, i) => Number((value / (perCpuSecond.nginx[i] as number)).toFixed(2))),
  };
  console.log(JSON.stringify(result, null, 2));
} finally {
  for (const child of children) child.kill('SIGTERM');
  const running = children.filter(({ exitCode }) => exitCode === null);
  await Promise.all(running.map((child) => new Promise((done) => child.once('exit', done))));
  rmSync(folder, { recursive: true, force: true });
}

/** Pinned to one CPU; ends with the benchmark. */
function start(cpu: number, command: string, args: string[]): ChildProcess {
  const child = spawn('taskset', ['-c', String(cpu % cpus().length), command, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

function nginxArguments(name: string, http: string): string[] {
  const prefix = join(folder, name);
  mkdirSync(prefix);
  const config = `worker_processes 1; daemon off; error_log stderr crit; pid ${prefix}/pid; events { worker_connections 1024; }
    http { access_log off; keepalive_requests 1000000; client_body_temp_path ${prefix}/b; proxy_temp_path ${prefix}/p;
    fastcgi_temp_path ${prefix}/f; uwsgi_temp_path ${prefix}/u; scgi_temp_path ${prefix}/s; ${http} }`;
  writeFileSync(join(prefix, 'nginx.conf'), config);
  return ['-p', prefix, '-c', join(prefix, 'nginx.conf')];
}

function bootstrapOf(port: number, upstream: number): object {
  const address = (value: number) => ({ socket_address: { address: '127.0.0.1', port_value: value } });
  const filters = 'type.googleapis.com/envoy.extensions.filters';
  const manager = {
    '@type': `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'bench',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${filters}.http.router.v3.Router` } }],
  };
  return {
    static_resources: {
      listeners: [
        {
          name: 'bench',
          address: address(port),
          filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          name: 'app',
          type: 'STATIC',
          load_assignment: { cluster_name: 'app', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstream) } }] }] },
        },
      ],
    },
  };
}

function load(url: string): number {
  const args = ['-c', '1', 'wrk', '-t', '1', '-c', String(CONNECTIONS), '-d', `${RUN_SECONDS}s`, url];
  const output = execFileSync('taskset', args, { encoding: 'utf8' });
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(output);
  return Number(/(\d+) requests in/.exec(output)?.[1]);
}

/** Of a process and its children (nginx works in one). */
function cpuSeconds(pid: number): number {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const text = readFileSync(`/proc/${name}/stat`, 'utf8');
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        return [{ pid: Number(name), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }];
      } catch {
        return [];
      }
    });
  return stats.filter((one) => one.pid === pid || one.parent === pid).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;
}

async function until200(url: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if ((await httpRequest(url).catch(() => undefined))?.status === 200) return;
    await sleep(25);
  }
  throw new Error(`${url} does not answer 200`);
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number);
}
