import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { test } from 'node:test';

const lateen = resolve(import.meta.dirname, '../../../lateen');
const istioctl = resolve(import.meta.dirname, '../../../bin/istioctl');

type Run = { code: number; stdout: string; stderr: string };
const call = (program: string, args: string[], env: Record<string, string> = {}): Promise<Run> =>
  new Promise((done) => {
    execFile(
      program,
      args,
      { env: { ...process.env, KUBECONFIG: '', HOME: '/nonexistent', LATEEN_STATE_DIR: '/nonexistent/state', ...env } },
      (error, stdout, stderr) => done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });

const cases: { name: string; args: string[]; code: number; stdout?: RegExp; stderr?: RegExp }[] = [
  { name: 'help lists the commands', args: ['--help'], code: 0, stdout: /kube-inject[\s\S]*proxy-status/ },
  { name: 'a command has help with an example', args: ['control-plane', '--help'], code: 0, stdout: /--config-dir[\s\S]*Example/ },
  { name: 'a misspelt command is a usage error with a suggestion', args: ['proxy-statsu'], code: 64, stderr: /proxy-status/ },
  { name: 'an unknown flag is a usage error', args: ['up', '--nope'], code: 64, stderr: /--nope/ },
  { name: 'a bad value is a usage error', args: ['up', '--network', 'bridge'], code: 64, stderr: /root, rootless, proxy/ },
  { name: 'the version', args: ['version', '--short'], code: 0, stdout: /^\d+\.\d+\.\d+\n$/ },
  { name: 'the version as JSON', args: ['version', '-o', 'json'], code: 0, stdout: /"nodeVersion"/ },
  {
    name: 'images with their commands',
    args: ['images'],
    code: 0,
    stdout: /examples-bookinfo-reviews-v3 +Bookinfo reviews with red stars/,
  },
  {
    name: 'no mesh: what, why, fix, code',
    args: ['kubeconfig'],
    code: 1,
    stderr: /no mesh is running[\s\S]*why:[\s\S]*fix:[\s\S]*LAT7102/,
  },
  { name: 'a file that is not there', args: ['validate', '-f', '/nonexistent.yaml'], code: 1, stderr: /cannot read \/nonexistent\.yaml/ },
  {
    name: 'a bootstrap is checked',
    args: ['proxy', '--mode', 'validate', '--config-yaml', '{}'],
    code: 0,
    stdout: /^configuration .* OK\n$/,
  },
  {
    name: 'a bootstrap that is wrong',
    args: ['proxy', '--mode', 'validate', '--config-yaml', 'static_resources: {clusters: [{name: a, type: EDS}]}'],
    code: 1,
    stderr: /cluster "a"[\s\S]*LAT4003/,
  },
  { name: 'a proxy without a bootstrap', args: ['proxy'], code: 1, stderr: /LAT7312/ },
  { name: 'a level that nobody has', args: ['proxy', '-c', 'x', '-l', 'loud'], code: 64, stderr: /trace/ },
  { name: 'proxy-config without a target', args: ['proxy-config', 'cluster'], code: 1, stderr: /LAT7202/ },
];

for (const { name, args, code, stdout, stderr } of cases) {
  test(`lateen ${args.join(' ')}: ${name}`, async () => {
    const run = await call(lateen, args);
    assert.equal(run.code, code, run.stderr);
    if (stdout) assert.match(run.stdout, stdout);
    if (stderr) assert.match(run.stderr, stderr);
  });
}

test('a reader that leaves ends the program without a word', async () => {
  const child = spawn(lateen, ['--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  assert.deepEqual([code, said], [0, '']);
});

test('the same program answers to istioctl, and says so', async () => {
  const run = await call(istioctl, ['--help']);
  assert.match(run.stdout, /^Usage: istioctl /);
});
