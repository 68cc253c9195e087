// `validate` and `analyze` as people run them: output, streams and exit codes.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';

const lateen = resolve(import.meta.dirname, '../../../../lateen');
const folder = mkdtempSync(join(tmpdir(), 'lateen-analyze-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const FILES: Record<string, string> = {
  'good.yaml':
    'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e}\nspec: {hosts: [a.com], ports: [{name: https, number: 443, protocol: HTTPS}], resolution: DNS}\n',
  'bad.yaml':
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: v\n  namespace: shop\nspec:\n  hosts: [cart]\n  http:\n  - route:\n    - destination: {host: cart}\n',
  'typo.yaml': 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec: {mtls: {mod: STRICT}}\n',
  'flat.yaml': 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\nname: p\nspec:\nmtls:\nmode: STRICT\n',
  'notes.txt': 'apiVersion: {',
  'mesh.yaml': 'rootNamespace: mesh-root\n',
};
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);

type Run = { code: number; stdout: string; stderr: string };
const call = (args: string[]): Promise<Run> =>
  new Promise((done) => {
    const env = { ...process.env, KUBECONFIG: '', HOME: '/nonexistent', LATEEN_STATE_DIR: '/nonexistent/state' };
    execFile(lateen, args, { cwd: folder, env }, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });

type Case = { args: string; code: number; stdout?: RegExp; stderr?: RegExp };
const ALONE = 'analyze --use-kube=false';

const CASES: Case[] = [
  { args: 'validate -f good.yaml', code: 0, stdout: /^"good\.yaml" is valid\n$/ },
  {
    args: 'validate -f good.yaml,typo.yaml',
    code: 1,
    stderr: /Error: 1 error occurred:\n\t\* PeerAuthentication\/\/p: .*Did you mean mode/s,
  },
  { args: 'validate -f flat.yaml', code: 1, stderr: /Probably meant in flat\.yaml:\n.* {4}spec:\n {6}mtls:\n {8}mode: STRICT/s },
  { args: 'validate', code: 1, stderr: /must specify resources/ },
  { args: `${ALONE} good.yaml`, code: 0, stderr: /^✔ No validation issues found when analyzing good\.yaml\.\n$/ },
  {
    args: `${ALONE} bad.yaml`,
    code: 79,
    stdout: /^Error \[IST0101\] \(VirtualService shop\/v bad\.yaml:10\) Referenced host not found: "cart"$/m,
    stderr: /Analyzers found issues when analyzing namespace: default/,
  },
  { args: `${ALONE} bad.yaml -S IST0101=VirtualService\u00a0*.shop`, code: 0 },
  { args: `${ALONE} bad.yaml -o json`, code: 0, stdout: /"origin": "VirtualService shop\/v"/ },
  { args: `${ALONE} flat.yaml`, code: 65, stderr: /Some files couldn't be parsed/ },
  { args: `${ALONE} flat.yaml --ignore-unknown`, code: 0 },
  { args: `${ALONE} good.yaml notes.txt`, code: 0, stderr: /Skipping file notes\.txt/ },
  { args: `${ALONE} good.yaml --failure-threshold nothing`, code: 64, stderr: /Info, Warning, Error/ },
  { args: `${ALONE} good.yaml -S IST0101`, code: 1, stderr: /not a valid suppression value/ },
  { args: `${ALONE} good.yaml --meshConfigFile mesh.yaml`, code: 0 },
  { args: 'analyze good.yaml', code: 0, stderr: /analyzed alone/ },
  { args: 'analyze -k good.yaml', code: 1, stderr: /kubeconfig/ },
  { args: 'analyze -L', code: 0, stdout: /^\* IST0101 ReferencedResourceNotFound \(error\):\n {4}\S/m },
];

for (const { args, code, stdout, stderr } of CASES) {
  test(`lateen ${args.replace('\u00a0', ' ')}: exits with ${code}`, async () => {
    const run = await call(args.split(' ').map((word) => word.replace('\u00a0', ' ')));
    assert.equal(run.code, code, run.stderr);
    if (stdout) assert.match(run.stdout, stdout);
    if (stderr) assert.match(run.stderr, stderr);
  });
}
