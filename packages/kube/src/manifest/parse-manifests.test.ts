import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseManifests, parseManifestsStrict } from './parse-manifests.ts';

const SERVICE = `apiVersion: v1
kind: Service
metadata:
  name: reviews
  labels: {app: reviews}
spec:
  ports:
  - port: 9080
    name: http
`;

const only = (text: string) => {
  const { manifests, errors } = parseManifests(text, { file: 'f.yaml' });
  assert.deepEqual(errors, []);
  assert.equal(manifests.length, 1);
  return manifests[0]!;
};
const failure = (text: string) => {
  const { errors } = parseManifests(text, { file: 'f.yaml' });
  assert.equal(errors.length, 1);
  return errors[0]!;
};

describe('parsing manifests', () => {
  test('several documents keep their lines and fields theirs', () => {
    const { manifests, errors } = parseManifests(`# a comment\n---\n${SERVICE}---\n---\n${SERVICE.replace('reviews', 'ratings')}`, {
      file: 'f.yaml',
    });
    assert.deepEqual(errors, []);
    assert.deepEqual(
      manifests.map(({ object, line }) => [object.metadata.name, line]),
      [
        ['reviews', 3],
        ['ratings', 14],
      ],
    );
    assert.equal(manifests[0]!.lineOf(['spec', 'ports', 0, 'name']), 11);
    assert.equal(manifests[0]!.lineOf(['spec', 'ports', 7, 'name']), 9, 'an absent field points at its parent');
    assert.equal(manifests[1]!.lineOf(['metadata', 'name']), 17);
  });

  test('a List is flattened and its items know their lines', () => {
    const { manifests } = parseManifests(
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: a\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n',
      { file: '-' },
    );
    assert.deepEqual(
      manifests.map(({ object, line, lineOf }) => [object.metadata.name, line, lineOf(['metadata', 'name'])]),
      [
        ['a', 4, 7],
        ['b', 8, 8],
      ],
    );
  });

  test('scalars mean what they mean to Kubernetes', () => {
    const { object } = only(
      'apiVersion: v1\nkind: X\nmetadata: {name: x}\nmode: 0644\non: yes\ndate: 2024-01-02\ntime: 12:30:45\nversion: 1.10\nbig: "012"\nnone: ~\n',
    );
    assert.deepEqual(
      { ...object, metadata: 0 },
      {
        ...{ apiVersion: 'v1', kind: 'X', metadata: 0 },
        ...{ mode: 0o644, true: true, date: '2024-01-02', time: '12:30:45', version: 1.1, big: '012', none: null },
      },
    );
  });

  test('anchors and merge keys work', () => {
    const { object } = only('apiVersion: v1\nkind: X\nmetadata: &m {name: x}\ncopy: {<<: *m, more: 1}\n');
    assert.deepEqual(object['copy'], { name: 'x', more: 1 });
  });

  test('a broken document names file and line and does not hide the others', () => {
    const { manifests, errors } = parseManifests(`${SERVICE}---\napiVersion: v1\nkind: [\n---\n${SERVICE}`, { file: 'f.yaml' });
    assert.equal(manifests.length, 2);
    assert.match(errors[0]!.message, /^f\.yaml:1\d: the document is not valid YAML/);
  });

  test('missing parts are named', () => {
    assert.match(failure('kind: Service\nmetadata: {name: x}\n').message, /f\.yaml:1: the document has no apiVersion/);
    assert.match(failure('apiVersion: v1\nkind: Service\n').message, /\(Service\) has no metadata/);
    assert.match(failure('apiVersion: v1\nkind: Service\nmetadata:\n  name: 7\n').message, /f\.yaml:4: .*quote it/);
    assert.match(failure('just text\n').message, /must be a mapping/);
    assert.throws(() => parseManifestsStrict('just text', { file: 'f' }), { code: 'LAT2106' });
  });

  test('aliases cannot multiply without end', () => {
    const lines = Array.from({ length: 30 }, (_, i) => `k${i + 1}: &a${i + 1} [*a${i},*a${i},*a${i},*a${i},*a${i}]`);
    const error = failure(`apiVersion: v1\nkind: X\nmetadata: {name: x}\nk0: &a0 [x]\n${lines.join('\n')}\n`);
    assert.match(error.message, /more than 100 YAML aliases/);
  });

  test('a text over the limit is refused before it is parsed', () => {
    assert.match(parseManifests(SERVICE, { file: 'f', maxBytes: 10 }).errors[0]!.message, /larger than 10 bytes/);
  });

  const flattened: [string, string, RegExp][] = [
    [
      'all indentation gone',
      'apiVersion: networking.istio.io/v1beta1\nkind: VirtualService\nmetadata:\nname: bookinfo\nnamespace: istio-system\nspec:\ngateways:\n- istio-system/gw\n',
      /"name" should be indented below "metadata"/,
    ],
    [
      'and duplicate keys because of it',
      'apiVersion: v1\nkind: VirtualService\nmetadata:\nname: x\nspec:\nhttp:\n- match:\n- uri:\nexact: /a\n- uri:\nprefix: /b\n',
      /"name" should be indented below "metadata"/,
    ],
    [
      'only the spec',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: x\nspec:\nselector: {a: b}\n',
      /"selector" should be indented below "spec"/,
    ],
    ['the metadata line lost too', 'kind: VirtualService\n name: reviews\n - reviews\n - route:\n', /lost its "metadata:" line/],
    ['no metadata at all', 'apiVersion: v1\nkind: Service\nname: x\n', /"name" should be indented below "metadata"/],
  ];
  for (const [name, text, message] of flattened) {
    test(`flattened YAML is recognised: ${name}`, () => {
      const error = failure(text);
      assert.match(error.message, /has lost its indentation/);
      assert.match(error.message, message);
    });
  }
});
