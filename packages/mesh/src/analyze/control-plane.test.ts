import { core, namespace, net, pod, type Row, service, testRows } from './testing/rows.ts';

const hook = (name: string, selectors: string, service = 'istiod'): string =>
  `{name: ${name}.sidecar-injector.istio.io, clientConfig: {service: {name: ${service}, namespace: istio-system}}, ${selectors}}`;
const injector = (name: string, hooks: string[], labels = '{}'): string =>
  `{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: ${name}, labels: ${labels}}, webhooks: [${hooks.join(', ')}]}`;
const ISTIOD = service('istio-system/istiod', '{ports: [{name: https, port: 443}]}');
const ENABLED = 'namespaceSelector: {matchLabels: {istio-injection: enabled}}';
const ONLY_ENABLED =
  'namespaceSelector: {matchLabels: {istio-injection: enabled}, matchExpressions: [{key: istio.io/rev, operator: DoesNotExist}]}';
const REVISION = (name: string): string => `namespaceSelector: {matchLabels: {istio.io/rev: ${name}}}`;

const values = (image: string): string => `data: {values: '${JSON.stringify({ global: { hub: 'hub', tag: '1.2', proxy: { image } } })}'}}`;
const running = (name: string, image: string): string =>
  pod(name, '{}', `{containers: [{name: a}, {name: istio-proxy, image: "${image}"}]}`);
const istiod = (env: string): string =>
  `{apiVersion: apps/v1, kind: Deployment, metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}, spec: {template: {spec: {containers: [{name: discovery, env: ${env}}]}}}}`;
const KEYS = '{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: r}, spec: {jwtRules: [{issuer: a}]}}';
const crd = (name: string, version: string): string =>
  `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: ${name}.gateway.networking.k8s.io, annotations: {gateway.networking.k8s.io/bundle-version: ${version}}}}`;
const behind = (waypoint: string): string =>
  core('Service', 's', `, labels: {istio.io/use-waypoint: ${waypoint}}}, spec: {ports: [{name: http, port: 80}]}}`);
const forClients = (name: string, host: string): string =>
  net('DestinationRule', name, `{host: "${host}", workloadSelector: {matchLabels: {app: client}}}`);

const ROWS: Row[] = [
  [
    'injectors that share nothing',
    'IST0139',
    [ISTIOD, injector('a', [hook('x', ONLY_ENABLED)]), injector('b', [hook('x', REVISION('canary'))])],
    [],
  ],
  [
    'two injectors for one namespace',
    'IST0139',
    [ISTIOD, injector('a', [hook('x', ENABLED)]), injector('b', [hook('y', ENABLED)])],
    ['IST0139 MutatingWebhookConfiguration a webhooks[0]', 'IST0139 MutatingWebhookConfiguration b webhooks[0]'],
  ],
  [
    'two webhooks of one injector for one revision',
    'IST0139',
    [ISTIOD, injector('a', [hook('x', REVISION('blue')), hook('y', REVISION('blue'))])],
    ['IST0139 MutatingWebhookConfiguration a webhooks[0]', 'IST0139 MutatingWebhookConfiguration a webhooks[1]'],
  ],
  [
    'an injector without its service',
    'IST0139',
    [ISTIOD, injector('a', [hook('x', ENABLED, 'gone')])],
    ['IST0139 MutatingWebhookConfiguration a webhooks[0].clientConfig.service'],
  ],
  [
    'an empty address of an external control plane',
    'IST0163',
    [injector('a', ['{name: x.istio.io, clientConfig: {url: null}}', '{name: y.istio.io, clientConfig: {url: "https://a/inject"}}'])],
    ['IST0163 MutatingWebhookConfiguration a webhooks[0].clientConfig'],
  ],
  [
    'sidecars of another version, whatever their variant',
    'IST0158',
    [
      namespace('old', '{istio-injection: enabled}'),
      running('old/p', 'hub/proxy:1.1'),
      namespace('new', '{istio-injection: enabled}'),
      running('new/p', 'hub/proxy:1.2-distroless'),
      namespace('canary', '{istio.io/rev: canary}'),
      running('canary/p', 'hub/proxy:1.1'),
      namespace('unknown', '{istio.io/rev: elsewhere}'),
      running('unknown/p', 'hub/proxy:1.1'),
      core('ConfigMap', 'istio-system/istio-sidecar-injector', values('proxy')),
      core('ConfigMap', 'istio-system/istio-sidecar-injector-canary', values('hub/proxy:1.2')),
    ],
    ['IST0158 Namespace canary ', 'IST0158 Namespace old '],
  ],
  [
    'key URLs that may reach anything',
    'IST0175',
    [KEYS, istiod('[]')],
    ['IST0175 Deployment istio-system/istiod spec.template.spec.containers'],
  ],
  ['key URLs that may not reach some networks', 'IST0175', [KEYS, istiod('[{name: BLOCKED_CIDRS_IN_JWKS_URIS, value: 10.0.0.0/8}]')], []],
  [
    'CRDs of the Gateway API that are too old',
    'IST0176',
    [crd('tlsroutes', 'v1.4.1'), crd('grpcroutes', 'v1.4.1'), crd('httproutes', 'v0.8.0'), crd('backendtlspolicies', 'rubbish')],
    ['IST0176 CustomResourceDefinition tlsroutes.gateway.networking.k8s.io metadata.annotations[gateway.networking.k8s.io/bundle-version]'],
  ],
  [
    'a DestinationRule for some clients of a service behind a waypoint',
    'IST0178',
    [behind('w'), forClients('a', 's'), forClients('b', '*.default.svc.cluster.local'), forClients('c', 'other')],
    ['IST0178 DestinationRule default/a spec.workloadSelector', 'IST0178 DestinationRule default/b spec.workloadSelector'],
  ],
  [
    'a service that opts out of the waypoint of its namespace',
    'IST0178',
    [namespace('default', '{istio.io/use-waypoint: w}'), behind('none'), forClients('a', 's')],
    [],
  ],
  [
    'hosts that a Kubernetes Gateway does not serve',
    'IST0132',
    [
      '{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: k, namespace: default}, spec: {listeners: [{hostname: a.com}]}}',
      net('VirtualService', 'a', '{hosts: [a.com], gateways: [k], http: []}'),
      net('VirtualService', 'b', '{hosts: [b.com], gateways: [k], http: []}'),
    ],
    ['IST0132 VirtualService default/b spec.hosts'],
  ],
  [
    'mesh rules of one namespace and of all, by wildcard; a rule is told once',
    'IST0109',
    [
      net('VirtualService', 'x/narrow', '{hosts: ["*.a.com", b.com], exportTo: ["."], http: []}'),
      net('VirtualService', 'y/wide', '{hosts: ["*.com", b.com], http: []}'),
      net('VirtualService', 'z/apart', '{hosts: ["*.a.com"], exportTo: ["."], http: []}'),
    ],
    ['IST0109 VirtualService x/narrow spec.hosts', 'IST0109 VirtualService y/wide spec.hosts', 'IST0109 VirtualService z/apart spec.hosts'],
  ],
];

testRows(ROWS);
