import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createImageCatalogue } from './image-catalogue.ts';
import { parseImageReference, repositoryMatches } from './image-reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'lateen-catalogue-'));
after(() => rmSync(folder, { recursive: true }));

function catalogueOf(...texts: string[]) {
  return createImageCatalogue(
    texts.map((text, i) => {
      const file = join(folder, `catalogue-${i}.yaml`);
      writeFileSync(file, text);
      return file;
    }),
  );
}

const references: [image: string, repository: string, tag: string][] = [
  ['curl', 'curl', 'latest'],
  ['docker.io/istio/proxyv2:1.26.0', 'istio/proxyv2', '1.26.0'],
  ['localhost:5000/a/b', 'a/b', 'latest'],
  ['registry.k8s.io/pause@sha256:0123', 'pause', 'latest'],
  ['istio/examples-bookinfo-reviews-v1:1.20.3@sha256:01', 'istio/examples-bookinfo-reviews-v1', '1.20.3'],
];
for (const [image, repository, tag] of references) {
  test(`image ${image} is repository ${repository}, tag ${tag}`, () => {
    assert.deepEqual(parseImageReference(image), { repository, tag });
  });
}

const patterns: [pattern: string, repository: string, matches: boolean][] = [
  ['proxyv2', 'istio/proxyv2', true],
  ['istio/proxyv2', 'my/mirror/istio/proxyv2', true],
  ['istio/proxyv2', 'proxyv2', false],
  ['examples-bookinfo-reviews-v*', 'istio/examples-bookinfo-reviews-v3', true],
  ['examples-*-v*', 'istio/examples-bookinfo-details-v1', true],
  ['examples-*-v*', 'istio/examples-bookinfo', false],
  ['a*a', 'a', false],
  ['*', 'istio/anything', true],
];
for (const [pattern, repository, matches] of patterns) {
  test(`pattern ${pattern} ${matches ? 'matches' : 'does not match'} ${repository}`, () => {
    assert.equal(repositoryMatches(pattern, repository), matches);
  });
}

const WEB = `- {image: web, entrypoint: ["\${node}", "\${here}/web.ts"], cmd: ["--tag=\${tag}", "\${HOME}"], description: ours}`;

test('an entry may name its image with registry and tag, as people copy it from a manifest', () => {
  const catalogue = catalogueOf('- {image: "ghcr.io/acme/app:3", entrypoint: [app], description: ours}');
  assert.deepEqual(catalogue.find('ghcr.io/acme/app:4')?.entrypoint, ['app']);
});

test('variables are filled in, others stay', () => {
  const catalogue = catalogueOf(WEB);
  const image = catalogue.find('web:v7');
  assert.deepEqual(image?.entrypoint, [process.execPath, join(folder, 'web.ts')]);
  assert.deepEqual(image?.cmd, ['--tag=v7', '$' + '{HOME}']);
  assert.equal(catalogue.find('nobody/knows'), undefined);
});

test('a later file overrides an earlier one', () => {
  const catalogue = catalogueOf(
    WEB,
    '- {image: other, builtin: sidecar, description: o}\n- {image: web, entrypoint: ["true"], description: theirs}',
  );
  assert.deepEqual(catalogue.find('docker.io/me/web:v7')?.entrypoint, ['true']);
  assert.equal(catalogue.find('other')?.builtin, 'sidecar');
});

for (const [text, reason] of [
  ['image: web', /must be a list/],
  ['- {image: web, description: d, entrypont: []}', /entry 1: unknown field "entrypont"/],
  ['- {image: web, description: d, entrypoint: "sh"}', /"entrypoint" must be a list of texts/],
  ['- {image: web, description: d, entrypoint: [sh], builtin: x}', /excludes/],
  ['- {image: web}', /"description" must be a text/],
] as const) {
  test(`catalogue ${text} is refused`, () => {
    assert.throws(() => catalogueOf(text), { code: 'LAT3101', message: reason });
  });
}
