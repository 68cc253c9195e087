import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { type AnalyzeInput, analyze } from './analyze.ts';
import { core, namespace, net, pod, type Row, read, service, testRows } from './testing/rows.ts';

const REVIEWS = service('reviews', '{selector: {app: reviews}, ports: [{name: http, port: 9080}]}');
const route = (destination: string): string => `{hosts: [reviews], http: [{route: [{destination: ${destination}}]}]}`;

const ROWS: Row[] = [
  ['a destination that exists', 'IST0101', [REVIEWS, net('VirtualService', 'a', route('{host: reviews}'))], []],
  [
    'a destination by full name from another namespace',
    'IST0101',
    [REVIEWS, net('VirtualService', 'x/a', route('{host: reviews.default.svc.cluster.local}'))],
    [],
  ],
  [
    'a short name belongs to the namespace of the rule',
    'IST0101',
    [REVIEWS, net('VirtualService', 'x/a', route('{host: reviews}'))],
    ['IST0101 VirtualService x/a spec.http[0].route[0].destination.host'],
  ],
  [
    'a mirror that does not exist',
    'IST0101',
    [REVIEWS, net('VirtualService', 'a', '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}], mirror: {host: nobody}}]}')],
    ['IST0101 VirtualService default/a spec.http[0].mirror.host'],
  ],
  [
    'a port that does not exist',
    'IST0101',
    [REVIEWS, net('VirtualService', 'a', route('{host: reviews, port: {number: 99}}'))],
    ['IST0101 VirtualService default/a spec.http[0].route[0].destination.port.number'],
  ],
  [
    'several ports and none named',
    'IST0112',
    [
      service('reviews', '{ports: [{name: http, port: 80}, {name: https, port: 443}]}'),
      net('VirtualService', 'a', route('{host: reviews}')),
    ],
    ['IST0112 VirtualService default/a spec.http[0].route[0].destination'],
  ],
  [
    'a ServiceEntry host, also by wildcard',
    'IST0101',
    [
      net('ServiceEntry', 'e', '{hosts: ["*.example.com", api.org]}'),
      net('VirtualService', 'a', route('{host: x.example.com}')),
      net('VirtualService', 'b', route('{host: api.org}')),
    ],
    [],
  ],
  [
    'a ServiceEntry that is not exported',
    'IST0101',
    [net('ServiceEntry', 'other/e', '{hosts: [api.org], exportTo: ["."]}'), net('VirtualService', 'a', route('{host: api.org}'))],
    ['IST0101 VirtualService default/a spec.http[0].route[0].destination.host'],
  ],
  [
    'a Service exported elsewhere',
    'IST0101',
    [
      core('Service', 'd', ', annotations: {networking.istio.io/exportTo: banana}}, spec: {ports: [{name: http, port: 80}]}}'),
      net('VirtualService', 'banana/a', route('{host: d.default.svc.cluster.local}')),
      net('VirtualService', 'b', route('{host: d}')),
    ],
    ['IST0101 VirtualService default/b spec.http[0].route[0].destination.host'],
  ],
  [
    'a subset nobody defines',
    'IST0101',
    [
      REVIEWS,
      net('DestinationRule', 'd', '{host: reviews, subsets: [{name: v1}]}'),
      net('VirtualService', 'a', route('{host: reviews, subset: v1}')),
      net('VirtualService', 'b', route('{host: reviews, subset: v9}')),
    ],
    ['IST0101 VirtualService default/b spec.http[0].route[0].destination.subset'],
  ],
  [
    'a gateway that does not exist',
    'IST0101 IST0132',
    [REVIEWS, net('VirtualService', 'a', '{hosts: ["*"], gateways: [nowhere], http: [{route: [{destination: {host: reviews}}]}]}')],
    ['IST0101 VirtualService default/a spec.gateways[0]', 'IST0132 VirtualService default/a spec.hosts'],
  ],
  [
    'hosts that do not meet those of the gateway',
    'IST0132 LAT0102',
    [
      net(
        'Gateway',
        'istio-system/g',
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.a.com"]}]}',
      ),
      net('VirtualService', 'good', '{hosts: [x.a.com], gateways: [istio-system/g], http: [{route: [{destination: {host: reviews}}]}]}'),
      net('VirtualService', 'bad', '{hosts: [x.b.com], gateways: [istio-system/g], http: [{route: [{destination: {host: reviews}}]}]}'),
    ],
    ['IST0132 VirtualService default/bad spec.hosts'],
  ],
  [
    'a rule for every host on a gateway for one',
    'IST0132 LAT0102',
    [
      net(
        'Gateway',
        'g',
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [gopher.example.com]}]}',
      ),
      net('VirtualService', 'a', '{hosts: ["*"], gateways: [g], http: [{route: [{destination: {host: reviews}}]}]}'),
    ],
    ['LAT0102 VirtualService default/a spec.hosts'],
  ],
  [
    'a server only for rules of another namespace',
    'IST0132',
    [
      net(
        'Gateway',
        'g',
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["prod/*"]}]}',
      ),
      net('VirtualService', 'a', '{hosts: [a.com], gateways: [g], http: [{route: [{destination: {host: reviews}}]}]}'),
    ],
    ['IST0132 VirtualService default/a spec.hosts'],
  ],
  [
    'two mesh rules for one host, by short and full name',
    'IST0109',
    [
      net('VirtualService', 'foo/a', '{hosts: [r], http: []}'),
      net('VirtualService', 'bar/b', '{hosts: [r.foo.svc.cluster.local], gateways: [mesh, g], http: []}'),
      net('VirtualService', 'bar/c', '{hosts: [r.foo.svc.cluster.local], gateways: [g], http: []}'),
    ],
    ['IST0109 VirtualService bar/b spec.hosts', 'IST0109 VirtualService foo/a spec.hosts'],
  ],
  [
    'two mesh rules that no namespace sees together',
    'IST0109',
    [
      net('VirtualService', 'foo/a', '{hosts: [r], exportTo: ["."], http: []}'),
      net('VirtualService', 'bar/b', '{hosts: [r.foo.svc.cluster.local], exportTo: ["."], http: []}'),
    ],
    [],
  ],
  [
    'subsets of the mesh do not hold at the gateway',
    'IST0140',
    [
      net('VirtualService', 'mesh', route('{host: reviews, subset: v1}')),
      net('VirtualService', 'edge', '{hosts: [a.com], gateways: [g], http: [{route: [{destination: {host: reviews}}]}]}'),
    ],
    ['IST0140 VirtualService default/edge spec.http[0].route[0].destination'],
  ],
  [
    'the default ingress gateway is taken for granted',
    'IST0101 IST0162',
    [net('Gateway', 'g', '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}')],
    [],
  ],
  [
    'a selector without pods',
    'IST0101',
    [net('Gateway', 'g', '{selector: {istio: bogus}, servers: []}')],
    ['IST0101 Gateway default/g spec.selector'],
  ],
  [
    'a port no service exposes',
    'IST0162',
    [
      net(
        'Gateway',
        'g',
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 9999, name: http, protocol: HTTP}, hosts: ["*"]}]}',
      ),
    ],
    ['IST0162 Gateway default/g spec.servers[0].port.number'],
  ],
  [
    'port 80 stands for http2 where the Service has another port for it',
    'IST0162',
    [
      pod('edge', '{app: edge}'),
      service('edge', '{selector: {app: edge}, ports: [{name: http2, port: 8080, targetPort: 8081}]}'),
      net('Gateway', 'g', '{selector: {app: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}'),
      net('Gateway', 'h', '{selector: {app: edge}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"]}]}'),
    ],
    ['IST0162 Gateway default/h spec.servers[0].port.number'],
  ],
  [
    'two gateways for one host and port',
    'IST0145',
    ['a', 'b'].map((name) =>
      net(
        'Gateway',
        name,
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.com]}]}',
      ),
    ),
    ['IST0145 Gateway default/a spec.servers', 'IST0145 Gateway default/b spec.servers'],
  ],
  [
    'a certificate shared with a narrower gateway',
    'IST0138',
    [
      net(
        'Gateway',
        'wide',
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: c}}]}',
      ),
      net(
        'Gateway',
        'narrow',
        '{selector: {istio: ingressgateway, type: x}, servers: [{port: {number: 443, name: b, protocol: HTTPS}, hosts: [b.com], tls: {mode: SIMPLE, credentialName: c}}]}',
      ),
    ],
    ['IST0138 Gateway default/wide spec.servers'],
  ],
  [
    'secrets: missing, and not a certificate',
    'IST0101 IST0161',
    [
      net(
        'Gateway',
        'a',
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: none}}]}',
      ),
      net(
        'Gateway',
        'b',
        '{selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: bad}}]}',
      ),
      core('Secret', 'istio-system/bad', 'data: {tls.crt: aGk=, tls.key: aGk=}}'),
    ],
    ['IST0101 Gateway default/a spec.servers[0].tls.credentialName', 'IST0161 Gateway default/b spec.servers[0].tls.credentialName'],
  ],
  [
    'Sidecars: no pod, one pod twice, a namespace twice',
    'IST0101 IST0110 IST0111',
    [
      pod('p', '{app: a, tier: b}'),
      net('Sidecar', 'none', '{workloadSelector: {labels: {app: bogus}}, egress: [{hosts: ["./*"]}]}'),
      net('Sidecar', 'one', '{workloadSelector: {labels: {app: a}}, egress: [{hosts: ["./*"]}]}'),
      net('Sidecar', 'two', '{workloadSelector: {labels: {tier: b}}, egress: [{hosts: ["./*"]}]}'),
      net('Sidecar', 'ns/one', '{egress: [{hosts: ["./*"]}]}'),
      net('Sidecar', 'ns/two', '{egress: [{hosts: ["./*"]}]}'),
    ],
    [
      'IST0101 Sidecar default/none spec.workloadSelector',
      'IST0110 Sidecar default/one spec.workloadSelector',
      'IST0110 Sidecar default/two spec.workloadSelector',
      'IST0111 Sidecar ns/one spec.workloadSelector',
      'IST0111 Sidecar ns/two spec.workloadSelector',
    ],
  ],
  [
    'DestinationRules: unknown host, subset without pods',
    'IST0173 IST0174',
    [
      REVIEWS,
      pod('p', '{app: reviews, version: v1}'),
      net('DestinationRule', 'a', '{host: nobody}'),
      net('DestinationRule', 'b', '{host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}'),
    ],
    ['IST0173 DestinationRule default/b spec.subsets[1].labels', 'IST0174 DestinationRule default/a spec.host'],
  ],
  [
    'subsets by the locality of the node',
    'IST0173',
    [
      REVIEWS,
      '{apiVersion: v1, kind: Node, metadata: {name: n, labels: {topology.kubernetes.io/region: eu}}}',
      pod('p', '{app: reviews}', '{nodeName: n, containers: [{name: a}]}'),
      net(
        'DestinationRule',
        'b',
        '{host: reviews, subsets: [{name: eu, labels: {topology.kubernetes.io/region: eu}}, {name: us, labels: {topology.kubernetes.io/region: us}}]}',
      ),
    ],
    ['IST0173 DestinationRule default/b spec.subsets[1].labels'],
  ],
  [
    'TLS without CA, for all ports and for one',
    'IST0128 IST0129',
    [
      net('DestinationRule', 'a', '{host: db, trafficPolicy: {tls: {mode: SIMPLE}}}'),
      net(
        'DestinationRule',
        'b',
        '{host: db, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /ca}, portLevelSettings: [{port: {number: 443}, tls: {mode: MUTUAL, clientCertificate: a, privateKey: b}}]}}',
      ),
    ],
    [
      'IST0128 DestinationRule default/a spec.trafficPolicy.tls',
      'IST0129 DestinationRule default/b spec.trafficPolicy.portLevelSettings[0].tls',
    ],
  ],
  [
    'port names',
    'IST0118 IST0150',
    [
      service(
        'a',
        '{ports: [{name: web, port: 80}, {name: http-web, port: 81}, {name: x, appProtocol: grpc, port: 82}, {name: db, port: 3306}]}',
      ),
      service('kube-system/a', '{ports: [{name: web, port: 80}]}'),
      service('b', '{type: ExternalName, externalName: a.com, ports: [{name: tcp, port: 80}]}'),
    ],
    ['IST0118 Service default/a spec.ports[0].name', 'IST0150 Service default/b spec.ports[0].name'],
  ],
  [
    'services that contradict each other about a deployment',
    'IST0116 IST0137',
    [
      namespace('default', '{istio-injection: enabled}'),
      '{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: default}, spec: {template: {metadata: {labels: {app: d}}, spec: {containers: [{name: a}]}}}}',
      '{apiVersion: apps/v1, kind: Deployment, metadata: {name: e, namespace: default}, spec: {template: {metadata: {labels: {app: e}}, spec: {containers: [{name: a}]}}}}',
      service('d1', '{selector: {app: d}, ports: [{name: http, port: 80}]}'),
      service('d2', '{selector: {app: d}, ports: [{name: tcp, port: 80}]}'),
      service('e1', '{selector: {app: e}, ports: [{name: http, port: 80, targetPort: 8080}]}'),
      service('e2', '{selector: {app: e}, ports: [{name: http, port: 81, targetPort: 8080}]}'),
    ],
    ['IST0116 Deployment default/d spec.template', 'IST0137 Deployment default/e spec.template'],
  ],
  [
    'the sidecar’s user id',
    'IST0144',
    [
      pod('p', '{}', '{securityContext: {runAsUser: 1337}, containers: [{name: a}]}'),
      pod('q', '{}', '{containers: [{name: istio-proxy, securityContext: {runAsUser: 1337}}]}'),
    ],
    ['IST0144 Pod default/p spec.securityContext.runAsUser'],
  ],
  [
    'ServiceEntries: TCP without address, contradicting protocols',
    'IST0134 IST0177',
    [
      net('ServiceEntry', 'a', '{hosts: [a.com], resolution: DNS, ports: [{number: 443, name: x}]}'),
      net('ServiceEntry', 'b', '{hosts: [b.com], resolution: DNS, ports: [{number: 80, name: x, protocol: HTTP}]}'),
      net('ServiceEntry', 'c', '{hosts: [b.com], resolution: DNS, ports: [{number: 80, name: x, protocol: HTTPS}]}'),
      net('ServiceEntry', 'other/d', '{hosts: [c.com], exportTo: ["."], resolution: DNS, ports: [{number: 80, name: x, protocol: HTTPS}]}'),
      net('ServiceEntry', 'e', '{hosts: [c.com], exportTo: ["."], resolution: DNS, ports: [{number: 80, name: x, protocol: HTTP}]}'),
    ],
    [
      'IST0134 ServiceEntry default/a spec.ports[0]',
      'IST0177 ServiceEntry default/b spec.ports[0].protocol',
      'IST0177 ServiceEntry default/c spec.ports[0].protocol',
    ],
  ],
  [
    'EnvoyFilters: wrong and relative operations',
    'IST0151 IST0152 IST0153 IST0154 IST0155',
    ['CLUSTER REPLACE', 'HTTP_ROUTE ADD', 'ROUTE_CONFIGURATION REMOVE', 'HTTP_FILTER INSERT_BEFORE', 'HTTP_FILTER INSERT_FIRST'].map(
      (text, i) => {
        const [applyTo, operation] = text.split(' ');
        return `{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f${i}}, spec: {configPatches: [{applyTo: ${applyTo}, patch: {operation: ${operation}, value: {name: x}}}]}}`;
      },
    ),
    [
      'IST0151 EnvoyFilter default/f3',
      'IST0152 EnvoyFilter default/f0',
      'IST0153 EnvoyFilter default/f1',
      'IST0154 EnvoyFilter default/f2',
    ].map((text) => `${text} spec.configPatches[0].patch.operation`),
  ],
  [
    'AuthorizationPolicies: nobody there, namespaces that do not exist',
    'IST0127 IST0101',
    [
      namespace('default', '{istio-injection: enabled}'),
      namespace('prod-a'),
      pod('p', '{app: a}'),
      `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: good}, spec: {selector: {matchLabels: {app: a}}, rules: [{from: [{source: {namespaces: ["prod-*", "*", default]}}]}]}}`,
      `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: nobody}, spec: {selector: {matchLabels: {app: b}}}}`,
      `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: empty, namespace: prod-a}, spec: {}}`,
      `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: mesh, namespace: istio-system}, spec: {}}`,
      `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: where}, spec: {rules: [{from: [{source: {notNamespaces: ["bogus-*"]}}]}]}}`,
    ],
    [
      'IST0101 AuthorizationPolicy default/where spec.rules[0].from[0].source.notNamespaces[0]',
      'IST0127 AuthorizationPolicy default/nobody spec.selector',
      'IST0127 AuthorizationPolicy prod-a/empty spec',
    ],
  ],
  [
    'claims without authentication',
    'IST0149',
    [
      net('Gateway', 'g', '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}'),
      net(
        'VirtualService',
        'a',
        '{hosts: ["*"], gateways: [g], http: [{match: [{headers: {"@request.auth.claims.sub": {exact: x}}}], route: [{destination: {host: reviews}}]}]}',
      ),
    ],
    ['IST0149 VirtualService default/a spec.http'],
  ],
  [
    'deprecated fields',
    'IST0002',
    [
      net(
        'VirtualService',
        'a',
        '{hosts: [r], http: [{fault: {delay: {percent: 50, fixedDelay: 1s}}, route: [{destination: {host: r}}]}]}',
      ),
    ],
    ['IST0002 VirtualService default/a spec.http[0].fault.delay.percent'],
  ],
  [
    'negative conditions',
    'IST0171',
    [
      '{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, status: {parents: [{conditions: [{type: Accepted, status: "False"}]}]}}',
    ],
    ['IST0171 HTTPRoute default/r status.conditions'],
  ],
  [
    'networks from a registry nobody knows',
    'IST0126',
    [
      core(
        'ConfigMap',
        'istio-system/istio',
        'data: {meshNetworks: "networks: {a: {endpoints: [{fromRegistry: Kubernetes}, {fromRegistry: remote}, {fromRegistry: bogus}]}}"}}',
      ),
      core('Secret', 'istio-system/r', ', labels: {istio/multiCluster: "true"}}, data: {remote: eA==}}'),
    ],
    ['IST0126 ConfigMap istio-system/istio data.meshNetworks'],
  ],
  [
    'errors of single objects',
    'IST0106 LAT0002',
    [net('VirtualService', 'a', '{hosts: [r], htp: [], http: []}')],
    ['IST0106 VirtualService default/a spec', 'LAT0002 VirtualService default/a spec.htp'],
  ],
];

testRows(ROWS);

test('file and line come with a finding', () => {
  const [entry] = read(net('VirtualService', 'a', route('{host: nobody}')));
  const source = {
    file: 'a.yaml',
    line: 3,
    lineOf: (path: (string | number)[]) => (path.join('/') === 'spec/http/0/route/0/destination/host' ? 9 : undefined),
  };
  const [finding] = analyze({ objects: [{ ...entry, source } as AnalyzeInput['objects'][number]] });
  assert.equal(finding?.line, 9);
  assert.equal(finding?.resource?.file, 'a.yaml');
});

test('findings are suppressed by flag and by annotation', () => {
  const quiet = '{apiVersion: v1, kind: Namespace, metadata: {name: a, annotations: {galley.istio.io/analyze-suppress: "IST0102"}}}';
  const objects = read([quiet, namespace('b'), namespace('frod')].join('\n---\n'));
  const names = (suppress: string[]): string[] => analyze({ objects, suppress }).map(({ resource }) => resource?.name ?? '');
  assert.deepEqual(names([]), ['b', 'frod']);
  assert.deepEqual(names(['IST0102=Namespace b']), ['frod']);
  assert.deepEqual(names(['IST0102=Namespace f*d']), ['b']);
  assert.deepEqual(names(['IST0102=*']), []);
});

test('rubbish in the input is reported or ignored, never thrown', () => {
  const objects = [
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: { ports: 'x', selector: [] } },
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', labels: 'x' }, spec: { containers: 3 } },
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: null, spec: null },
    { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'a' }, spec: { http: [{ route: 5 }] } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' }, data: [] },
    {},
  ].map((object) => ({ object: object as unknown as KubeObject }));
  const findings = analyze({ objects });
  assert.deepEqual(
    findings.filter(({ code }) => code === 'IST0001'),
    [],
  );
});
