import { check } from './testing/rows.ts';

check('networking.istio.io/v1', 'Gateway', [
  ['http passes', 'selector: {istio: ingressgateway}\nservers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]', 'ok'],
  ['servers are required', 'selector: {istio: x}', 'error at least one server'],
  ['hosts are required', 'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: []}]', 'error at least one host'],
  ['short names are refused', 'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [reviews]}]', 'error short names'],
  ['a namespaced host passes', 'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["./a.com", "ns/*.b.com"]}]', 'ok'],
  ['a partial wildcard', 'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*-a.com"]}]', 'error partial wildcard'],
  ['an unknown protocol', 'servers: [{port: {number: 80, name: http, protocol: HTTP3000}, hosts: ["*"]}]', 'error invalid protocol'],
  [
    'https needs tls',
    'servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"]}]',
    'error server must have TLS settings',
  ],
  [
    'http with tls',
    'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: x}}]',
    'error plain text HTTP',
  ],
  ['httpsRedirect passes', 'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}]', 'ok'],
  [
    'a credential outdoes files',
    'servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: a, serverCertificate: b, privateKey: c}}]',
    'ok',
  ],
  [
    'simple without certificate',
    'servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE}}]',
    'error requires a server certificate',
  ],
  [
    'mutual without CA',
    'servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: MUTUAL, serverCertificate: a, privateKey: b}}]',
    'error client CA bundle',
  ],
  [
    'istio mutual with a credential',
    'servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: ISTIO_MUTUAL, credentialName: a}}]',
    'error ISTIO_MUTUAL TLS cannot',
  ],
  [
    'passthrough ignores certificates',
    'servers: [{port: {number: 443, name: tls, protocol: TLS}, hosts: ["*"], tls: {mode: PASSTHROUGH, serverCertificate: a}}]',
    'warning will be ignored',
  ],
  [
    'an unknown cipher',
    'servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: a, cipherSuites: [NOPE]}}]',
    'warning invalid cipher suites',
  ],
  [
    'port names are unique',
    'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}, {port: {number: 81, name: http, protocol: HTTP}, hosts: ["*"]}]',
    'error port names in servers must be unique',
  ],
  [
    'a Unix socket has no port',
    'servers: [{port: {number: 80, name: http, protocol: HTTP}, bind: "unix:///a", hosts: ["*"]}]',
    'error port number must be 0',
  ],
]);

check('networking.istio.io/v1', 'ServiceEntry', [
  ['dns passes', 'hosts: [api.example.com]\nports: [{number: 443, name: https, protocol: HTTPS}]\nresolution: DNS', 'ok'],
  ['spec is required', '', 'error Required value: spec'],
  ['hosts are required', '{}', 'error Required value: spec.hosts'],
  ['host *', 'hosts: ["*"]', 'error hostname cannot be wildcard'],
  ['a wildcard in a selector', 'hosts: [a.com]\nworkloadSelector: {labels: {a: "*"}}', 'error wildcard is not supported'],
  [
    'selector and endpoints',
    'hosts: [a.com]\nworkloadSelector: {}\nendpoints: [{address: 1.2.3.4}]',
    'error only one of WorkloadSelector or Endpoints',
  ],
  ['CIDR with DNS', 'hosts: [a.com]\naddresses: [1.2.3.4/16]\nresolution: DNS', 'error CIDR addresses'],
  ['duplicate port names', 'hosts: [a.com]\nports: [{name: a, number: 1}, {name: a, number: 2}]', 'error already defined'],
  ['duplicate port numbers', 'hosts: [a.com]\nports: [{name: a, number: 1}, {name: b, number: 1}]', 'error cannot be duplicated'],
  ['endpoints without resolution', 'hosts: [a.com]\nendpoints: [{address: 1.2.3.4}]', 'error NONE mode cannot set endpoints'],
  [
    'a name as a static endpoint',
    'hosts: [a.com]\nresolution: STATIC\nports: [{name: a, number: 1}]\nendpoints: [{address: b.com}]',
    'error is not a valid IP address',
  ],
  [
    'round robin with two endpoints',
    'hosts: [a.com]\nresolution: DNS_ROUND_ROBIN\nendpoints: [{address: a.com}, {address: b.com}]',
    'error multiple endpoints',
  ],
  [
    'a wildcard host by DNS',
    'hosts: ["*.a.com"]\nresolution: DNS\nports: [{name: a, number: 80, protocol: HTTP}]',
    'error hosts must be FQDN',
  ],
  [
    'several hosts on one TCP port',
    'hosts: [a.com, b.com]\nresolution: DNS\nports: [{name: a, number: 80, protocol: TCP}]',
    'error multiple hosts',
  ],
  [
    'an endpoint port nobody defined',
    'hosts: [a.com]\nresolution: STATIC\nports: [{name: a, number: 80, protocol: HTTP}]\nendpoints: [{address: 1.1.1.1, ports: {b: 8080}}]',
    'error is not defined by the service entry',
  ],
  ['a TCP port without address', 'hosts: [a.com]\nports: [{name: a, number: 80, protocol: TCP}]', 'warning addresses are required'],
]);

check('networking.istio.io/v1', 'Sidecar', [
  ['egress passes', 'egress: [{hosts: ["./*", "istio-system/*"]}]', 'ok'],
  ['an empty one', '{}', 'error empty configuration'],
  [
    'an ingress port cannot take secrets',
    'ingress: [{port: {number: 90, protocol: TCP, name: a}, defaultEndpoint: "127.0.0.1:9", tls: {mode: SIMPLE, credentialNames: [s]}}]',
    'error credentialNames is not currently supported',
  ],
  ['hosts need a namespace', 'egress: [{hosts: [a.com]}]', 'error namespace/dnsName'],
  [
    'the catch-all comes last',
    'egress: [{hosts: ["*/*"]}, {port: {number: 80, protocol: HTTP, name: http}, hosts: ["*/*"]}]',
    'error last listener',
  ],
  ['ports are unique', 'ingress: [{port: {number: 80, protocol: HTTP}}, {port: {number: 80, protocol: HTTP}}]', 'error unique'],
  [
    'a bad default endpoint',
    'ingress: [{port: {number: 80, protocol: HTTP}, defaultEndpoint: "1.2.3.4:80"}]',
    'error defaultEndpoint must be of form',
  ],
  ['hosts twice', 'egress: [{hosts: ["./*", "./a.com"]}]', 'warning duplicated egress host'],
  ['a selector without labels', 'workloadSelector: {}\negress: [{hosts: ["./*"]}]', 'warning specified without labels'],
]);

check('networking.istio.io/v1', 'WorkloadEntry', [
  ['an address passes', 'address: 1.1.1.1\nports: {http: 80}', 'ok'],
  ['an address is required', '{}', 'error Address is required'],
  ['a socket that is a folder', 'address: unix:///dir/', 'error is not an absolute path to a file'],
  ['a socket with ports', 'address: "unix://@foo"\nports: {http: 80}', 'error UDS may not include ports'],
  ['a port out of range', 'address: 1.1.1.1\nports: {http: 99999}', 'error port number 99999'],
  ['a bad port name', 'address: 1.1.1.1\nports: {"@": 80}', 'error invalid port name'],
]);

check('networking.istio.io/v1', 'WorkloadGroup', [
  ['a port name that is too long', `template: {ports: {${'a'.repeat(64)}: 80}}`, 'error spec.template.ports'],
  ['a probe passes', 'template: {serviceAccount: a}\nprobe: {httpGet: {port: 80}}', 'ok'],
  ['template is required', '{}', 'error Required value: spec.template'],
  ['a probe port', 'template: {}\nprobe: {tcpSocket: {port: 65536}}', 'error port number 65536'],
  ['a probe header', 'template: {}\nprobe: {httpGet: {port: 80, httpHeaders: [{name: "**"}]}}', 'error should match'],
]);

check('networking.istio.io/v1alpha3', 'EnvoyFilter', [
  ['missing patch', 'configPatches: [{applyTo: CLUSTER}]', 'error missing patch'],
  ['missing value', 'configPatches: [{applyTo: CLUSTER, patch: {operation: ADD}}]', 'error missing patch value'],
  [
    'a match of another kind',
    'configPatches: [{applyTo: CLUSTER, match: {listener: {}}, patch: {operation: REMOVE}}]',
    'error it needs cluster',
  ],
  [
    'a waypoint match elsewhere',
    'configPatches: [{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, waypoint: {}}, patch: {operation: REMOVE}}]',
    'error only support waypointMatch',
  ],
  [
    'always a word of caution',
    'configPatches: [{applyTo: CLUSTER, patch: {operation: REMOVE}}]',
    'warning exposes internal implementation details',
  ],
]);

check('networking.istio.io/v1beta1', 'ProxyConfig', [
  ['a selector that selects nothing', 'selector: {matchLabels: {}}', 'error should have at least 1 entries'],
  ['concurrency passes', 'concurrency: 2', 'ok'],
  ['negative concurrency', 'concurrency: -1', 'error greater than or equal to 0'],
]);
