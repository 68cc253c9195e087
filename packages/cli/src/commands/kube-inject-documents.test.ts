import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createInjectConfig } from '@lateen/mesh/inject';
import { parse, parseAllDocuments } from 'yaml';
import { injectDocuments } from './kube-inject-documents.ts';

const config = createInjectConfig({ values: { global: { hub: 'example.org', tag: '1' } } });
const inject = (text: string) => injectDocuments({ file: 'web.yaml', text, config });
const deployment = (annotation = '') => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      annotations: {${annotation}}
      labels: {app: web}
    spec: {containers: [{name: web, image: web}]}
`;

describe('injecting the documents of a file', () => {
  test('other documents stay as they were written, and empty ones go', () => {
    const service = '# our service\napiVersion: v1\nkind: Service # the usual\nmetadata: {name: web}\nspec: {a: yes}\n';
    const { text, warnings } = inject(`${service}---\n# nothing here\n---\n${deployment()}`);
    assert.equal(text.slice(0, service.length + 4), `${service}---\n`);
    const documents = parseAllDocuments(text).map((document) => document.toJS());
    assert.deepEqual(
      documents.map((document) => document?.kind),
      ['Service', 'Deployment', undefined],
    );
    assert.equal(documents[1].spec.template.spec.containers[1].name, 'istio-proxy');
    assert.deepEqual(warnings, []);
  });

  test('a List stays one, with its workloads injected', () => {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } }, parse(deployment())],
    };
    const injected = parse(inject(JSON.stringify(list)).text.replace(/---\n$/, ''));
    assert.equal(injected.kind, 'List');
    assert.deepEqual(injected.items[0], list.items[0]);
    assert.equal(injected.items[1].spec.template.spec.containers.length, 2);
  });

  test('text that YAML 1.1 would read as something else is quoted', () => {
    assert.match(inject(deployment('a: "yes", b: "0644"')).text, /a: "yes"\n\s+b: "0644"\n/);
  });

  test('what is not injected is said', () => {
    const { warnings } = inject(deployment('sidecar.istio.io/inject: "false"'));
    assert.deepEqual(warnings, ['===> Skipping injection because Deployment "web" has sidecar injection disabled']);
  });

  test('a wrong annotation is refused with file, line and object', () => {
    const wrong = `\n${deployment('traffic.sidecar.istio.io/includeInboundPorts: http')}`;
    assert.throws(() => inject(wrong), { code: 'LAT2304', message: /^web\.yaml:2: Deployment "web": invalid value "http"/ });
  });

  test('text that is no manifest is refused', () => {
    assert.throws(() => inject('just text'), { code: 'LAT2106' });
  });
});
