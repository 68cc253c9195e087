// The checklist of what kubectl needs, with the real kubectl. Whatever needs a running pod is tested with the node agent.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '@lateen/base/testing';
import type { KubeObject } from '@lateen/kube/types';
import { createGarbageCollector, createNamespaceController } from './index.ts';
import { noKubectl, startTestServer, type TestServer } from './testing/test-server.ts';

const deployment = (name: string, extra: object = {}): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels: { app: name } },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'app', image: 'nginx:1', ports: [{ containerPort: 80 }] }] },
    },
    ...extra,
  },
});
const configMap = (name: string, data: Record<string, string>): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'] },
    versions: ['v1', 'v1beta1'].map((name) => ({
      name,
      served: true,
      storage: name === 'v1',
      subresources: { status: {} },
      additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: {
            spec: {
              type: 'object',
              required: ['size'],
              properties: { size: { type: 'integer', minimum: 1 }, color: { type: 'string', default: 'red', enum: ['red', 'blue'] } },
            },
            status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          },
        },
      },
    })),
  },
};
const widget = (name: string, spec: object, version = 'v1'): object => ({
  apiVersion: `example.com/${version}`,
  kind: 'Widget',
  metadata: { name },
  spec,
});

describe('kubectl', { skip: noKubectl, timeout: 120_000 }, () => {
  let test: TestServer;
  const ends: (() => unknown)[] = [];
  before(async () => {
    test = await startTestServer({ after: (end: () => unknown) => void ends.unshift(end) });
    const { store, server } = test;
    const namespaces = createNamespaceController({ store, server, ca: test.ca.rootPem });
    const collector = createGarbageCollector({ store, server });
    ends.unshift(
      () => namespaces.close(),
      () => collector.close(),
    );
  });
  after(async () => {
    for (const end of ends) await end();
  });

  /** Runs a command that must succeed; gives its output. */
  const ok = async (args: string, input?: string | object): Promise<string> => {
    const result = await test.kubectl(args, input === undefined ? {} : { input });
    assert.equal(result.code, 0, `kubectl ${args}: ${result.stderr}`);
    return result.stdout + result.stderr;
  };
  /** Runs a command that must fail; gives what it says. */
  const fails = async (args: string, input?: string | object): Promise<string> => {
    const result = await test.kubectl(args, input === undefined ? {} : { input });
    assert.notEqual(result.code, 0, `kubectl ${args} succeeded: ${result.stdout}`);
    return result.stderr;
  };
  const yaml = async (what: string): Promise<KubeObject> => JSON.parse(await ok(`get ${what} -o json`)) as KubeObject;

  it('knows the version and the resources', async () => {
    assert.match(await ok('version'), /Server Version: v1\.32\.0\+lateen/);
    assert.match(await ok('api-resources'), /deployments +deploy +apps\/v1 +true +Deployment/);
    assert.match(await ok('api-versions'), /networking\.k8s\.io\/v1/);
  });

  it('applies, changes and deletes a built-in object', async () => {
    assert.match(await ok('apply -f -', deployment('web')), /deployment.apps\/web created/);
    assert.match(await ok('apply -f -', deployment('web')), /unchanged/);
    assert.match(await ok('apply -f -', deployment('web', { replicas: 5 })), /configured/);
    assert.match(await ok('get deploy'), /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/5 /);
    await ok('scale deploy web --replicas=3');
    await ok('set image deploy/web app=nginx:2');
    await ok('set env deploy/web A=1');
    await ok('rollout restart deploy/web');
    await ok('label deploy web tier=front');
    await ok('annotate deploy web note=hello');
    await ok(`patch deploy web --type=json -p '[{"op":"add","path":"/spec/paused","value":true}]'`);
    await ok(`patch deploy web -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}'`);
    const { spec, metadata } = (await yaml('deploy web')) as KubeObject & {
      spec: { replicas: number; paused: boolean; template: { spec: { containers: { name: string; image: string; env?: unknown }[] } } };
    };
    assert.equal(spec.replicas, 3);
    assert.equal(spec.paused, true);
    assert.equal(metadata.labels?.['tier'], 'front');
    assert.deepEqual(spec.template.spec.containers.map((one) => `${one.name}=${one.image}`).sort(), ['app=nginx:2', 'side=busybox']);
    assert.match(await ok('describe deploy web'), /Replicas: +3 desired/);
    assert.match(await ok('delete deploy web'), /deleted/);
    assert.match(await fails('get deploy web'), /Error from server \(NotFound\): deployments.apps "web" not found/);
  });

  it('creates from protobuf bodies', async () => {
    await ok('create ns proto');
    for (const args of [
      'create cm c --from-literal=a=b',
      'create secret generic s --from-literal=a=b',
      'create sa robot',
      'create service clusterip svc --tcp=80:8080',
      'create deployment dep --image=nginx --replicas=0 --port=80',
      'create job job --image=busybox -- date',
      `create cronjob cj --image=busybox '--schedule=*/5 * * * *' -- date`,
      'create role r --verb=get,list --resource=pods',
      'create rolebinding rb --role=r --serviceaccount=proto:robot',
      'create quota q --hard=cpu=1,pods=2',
      'create ingress ing --rule=a.example/*=svc:80',
      'create pdb budget --selector=app=x --min-available=1',
    ]) {
      assert.match(await ok(`${args} -n proto`.replace(' -- date -n proto', ' -n proto -- date')), /created/);
    }
    const dep = (await yaml('deploy dep -n proto')) as KubeObject & {
      spec: { replicas: number; template: { spec: { containers: { ports: unknown }[] } } };
    };
    assert.equal(dep.spec.replicas, 0);
    assert.deepEqual(dep.spec.template.spec.containers[0]?.ports, [{ containerPort: 80, protocol: 'TCP' }]);
    assert.deepEqual((await yaml('secret s -n proto'))['data'], { a: 'Yg==' });
    assert.deepEqual((await yaml('role r -n proto'))['rules'], [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }]);
    assert.equal((await ok('auth can-i create pods')).trim(), 'yes');
    assert.match(await ok('auth whoami'), /Username +admin/);
    const token = (await ok('create token robot -n proto --audience istio-ca')).trim();
    assert.deepEqual(test.server.tokens.verify(token, ['istio-ca']).ok, true);
    assert.deepEqual(test.server.tokens.verify(token, ['other']).ok, false);
    await ok('delete ns proto');
    assert.match(await fails('get ns proto'), /NotFound/);
    assert.deepEqual(test.store.list({ resource: 'secrets', namespace: 'proto' }), []);
  });

  it('serves a custom resource at once, with defaults, validation, columns, versions and explain', async () => {
    await ok('apply -f -', definition);
    await ok('apply -f -', widget('small', { size: 3 }));
    assert.match(await ok('get wd'), /NAME +SIZE\nsmall +3/);
    assert.deepEqual((await yaml('widgets.v1beta1.example.com small'))['spec'], { size: 3, color: 'red' });
    assert.match(await fails('apply -f -', widget('bad', { size: 3, bogus: 1 })), /strict decoding error: unknown field "spec.bogus"/);
    assert.match(await fails('apply -f -', widget('bad', { size: 0 })), /spec.size in body should be greater than or equal to 1/);
    assert.match(
      await fails('apply -f -', widget('bad', { size: 1, color: 'green' })),
      /spec.color: Unsupported value: "green": supported values: "red", "blue"/,
    );
    assert.match(await fails('apply -f -', widget('bad', {})), /spec.size: Required value/);
    assert.match(await ok('apply --validate=warn -f -', widget('warned', { size: 3, bogus: 1 })), /Warning: unknown field "spec.bogus"/);
    assert.match(await ok('explain widget.spec'), /size\s+<integer> -required-/);
    assert.match(await ok('explain deployment.spec.strategy'), /rollingUpdate\s+<RollingUpdateDeployment>/);
    await ok(`patch wd small --type=merge -p '{"spec":{"size":4}}'`);
    assert.match(
      await fails(`patch wd small --type=strategic -p '{"spec":{"size":4}}'`),
      /application\/strategic-merge-patch\+json is not supported|unknown format/,
    );
    await ok('delete crd widgets.example.com');
    assert.match(await fails('get wd'), /could not find the requested resource|doesn't have a resource type/);
  });

  it('tells of server-side apply conflicts and forces them', async () => {
    await ok('apply --server-side -f -', configMap('shared', { a: '1' }));
    assert.match(
      await fails('apply --server-side --field-manager=other -f -', configMap('shared', { a: '2' })),
      /conflict with "kubectl": \.data\.a/,
    );
    await ok('apply --server-side --field-manager=other --force-conflicts -f -', configMap('shared', { a: '2' }));
    assert.deepEqual((await yaml('cm shared'))['data'], { a: '2' });
  });

  it('moves an object from client-side to server-side apply', async () => {
    await ok('apply -f -', configMap('moved', { a: '1', b: '1' }));
    assert.match(
      await fails('apply --server-side -f -', configMap('moved', { a: '2' })),
      /conflict with "kubectl-client-side-apply" using v1: \.data\.a/,
    );
    await ok('apply --server-side --force-conflicts -f -', configMap('moved', { a: '2' }));
    await ok('apply --server-side -f -', configMap('moved', { a: '3' }));
    const moved = await yaml('cm moved --show-managed-fields');
    assert.deepEqual(moved['data'], { a: '3' });
    const managers = moved.metadata.managedFields?.map((one) => `${one.manager} ${one.operation}`) ?? [];
    assert.ok(managers.includes('kubectl Apply') && !managers.includes('kubectl-client-side-apply Update'), managers.join());
  });

  it('answers dry runs and diffs without storing', async () => {
    await ok('apply -f -', configMap('dry', { a: '1' }));
    assert.match(await ok('apply --dry-run=server -f -', configMap('dry', { a: '2' })), /configured \(server dry run\)/);
    const diff = await test.kubectl('diff -f -', { input: configMap('dry', { a: '2' }) });
    assert.match(diff.stdout, /^- {2}a: "1"\n\+ {2}a: "2"$/m);
    assert.deepEqual((await yaml('cm dry'))['data'], { a: '1' });
  });

  it('watches and waits', async () => {
    const abort = new AbortController();
    let seen = '';
    const watching = test.kubectl('get cm -w', {
      signal: abort.signal,
      onStdout: (text) => {
        seen += text;
      },
    });
    await eventually(() => seen.includes('NAME'));
    await ok('create cm watched');
    await eventually(() => /^watched +0 /m.test(seen));
    assert.equal(seen.match(/NAME/g)?.length, 1);
    abort.abort();
    await watching;
    const waiting = ok('wait cm/watched --for=jsonpath={.data.ready}=yes --timeout=20s');
    await ok(`patch cm watched --type=merge -p '{"data":{"ready":"yes"}}'`);
    assert.match(await waiting, /condition met/);
    const gone = ok('wait cm/watched --for=delete --timeout=20s');
    await ok('delete cm watched');
    await gone;
  });

  it('says clearly what is wrong with bad input', async () => {
    const cases: [object | string, RegExp][] = [
      [deployment('bad', { replicas: 'two' }), /cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32/],
      [deployment('bad', { replcas: 1 }), /strict decoding error: unknown field "spec.replcas"/],
      [deployment('Bad_Name'), /metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/],
      [deployment('bad', { selector: { matchLabels: { app: 'other' } } }), /`selector` does not match template `labels`/],
      [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'bad' }, spec: {} }, /spec.ports: Required value/],
      [{ apiVersion: 'nope.io/v1', kind: 'Nope', metadata: { name: 'x' } }, /no matches for kind "Nope" in version "nope.io\/v1"/],
      [{ ...configMap('lost', {}), metadata: { name: 'lost', namespace: 'nowhere' } }, /namespaces "nowhere" not found/],
      [configMap('big', { blob: 'x'.repeat(4_000_000) }), /Request entity too large: limit is 3145728/],
    ];
    for (const [input, expected] of cases) assert.match(await fails('create -f -', input), expected);
    await ok('create cm twice');
    assert.match(await fails('create cm twice'), /configmaps "twice" already exists/);
    assert.match(await fails('delete ns default'), /namespaces "default" is forbidden: this namespace may not be deleted/);
  });

  it('creates what it can of a list and names what it cannot', async () => {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [configMap('one', {}), { apiVersion: 'nope.io/v1', kind: 'Nope', metadata: { name: 'x' } }],
    };
    assert.match(await fails('apply -f -', list), /no matches for kind "Nope"/);
    await ok('get cm one');
  });

  it('deletes with cascade: background, foreground and orphan', async () => {
    for (const [policy, survives] of [
      ['background', false],
      ['foreground', false],
      ['orphan', true],
    ] as const) {
      const owner = (await test.client.create(
        { group: '', version: 'v1', resource: 'configmaps', namespaced: true },
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `owner-${policy}`, namespace: 'default' } },
      )) as KubeObject;
      const reference = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        name: owner.metadata.name,
        uid: owner.metadata.uid,
        blockOwnerDeletion: true,
      };
      await ok('create -f -', { ...configMap(`child-${policy}`, {}), metadata: { name: `child-${policy}`, ownerReferences: [reference] } });
      await ok(`delete cm owner-${policy} --cascade=${policy}`);
      if (survives) {
        assert.equal((await yaml(`cm child-${policy}`)).metadata.ownerReferences, undefined);
      } else
        await eventually(() => test.store.get({ resource: 'configmaps', namespace: 'default', name: `child-${policy}` }) === undefined);
    }
  });
});
