import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { Finding } from '../findings/finding.ts';
import type { KubeObjectLike } from '../kube-object.ts';
import { validateResource } from './resource.ts';

// Each row: what it shows, the object, and a part of the one message expected at a level ("ok" for none worse than info).
type Row = [name: string, yaml: string, expected: 'ok' | `error ${string}` | `warning ${string}`];

const parse = (yaml: string): KubeObjectLike[] => parseAllDocuments(yaml).map((document) => document.toJS() as KubeObjectLike);

function check(apiVersion: string, kind: string, rows: Row[]): void {
  for (const [name, yaml, expected] of rows) {
    test(`${kind}: ${name}`, () => {
      const spec = yaml.trim() === '' ? '' : `spec:\n${yaml.replace(/^/gm, '  ')}`;
      const [object] = parse(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: test, namespace: ns}\n${spec}`);
      const findings = validateResource(object as KubeObjectLike);
      const text = findings.map((finding) => `${finding.level} ${finding.path}: ${finding.message} | ${finding.fix ?? ''}`).join('\n');
      if (expected === 'ok')
        return assert.deepEqual(
          findings.filter((finding) => finding.level !== 'info'),
          [],
          text,
        );
      const [level, ...words] = expected.split(' ');
      const hit = findings.some(
        (finding: Finding) =>
          finding.level === level && `${finding.path}: ${finding.message} | ${finding.fix ?? ''}`.includes(words.join(' ')),
      );
      assert.ok(hit, `expected ${expected}, got\n${text}`);
    });
  }
}

check('networking.istio.io/v1', 'VirtualService', [
  ['a plain route passes', 'hosts: [reviews]\nhttp: [{route: [{destination: {host: reviews, subset: v1}}]}]', 'ok'],
  [
    'a flattened list item names its place',
    'hosts: [a]\nhttp: [{route: [{host: a}]}]',
    'error It belongs to spec.http[0].route[0].destination.host',
  ],
  ['a misspelt field gets a suggestion', 'hosts: [a]\nhttp: [{rout: [{destination: {host: a}}]}]', 'error Did you mean route?'],
  [
    'a field of the wrong case gets a suggestion',
    'hosts: [a]\nhttp: [{route: [{destination: {host: a}}], corspolicy: {}}]',
    'error Did you mean corsPolicy?',
  ],
  ['an object instead of a list is explained', 'hosts: [a]\nhttp: {route: []}', 'error put "- " in front'],
  [
    'a quoted number is explained',
    'hosts: [a]\nhttp: [{route: [{destination: {host: a, port: {number: "80"}}}]}]',
    'error Remove the quotes',
  ],
  ['a duration without unit is explained', 'hosts: [a]\nhttp: [{route: [{destination: {host: a}}], timeout: 5}]', 'error "5s"'],
  [
    'hosts missing makes a delegate, which has no gateways',
    'gateways: [g]\nhttp: [{route: [{destination: {host: a}}]}]',
    'error delegate virtual service must have no gateways',
  ],
  ['an empty spec asks about the indentation', '', 'error their indentation was lost'],
  ['no rules at all is refused', 'hosts: [a]', 'error http, tcp or tls must be provided'],
  ['wildcard * needs a gateway', 'hosts: ["*"]\nhttp: [{route: [{destination: {host: a}}]}]', 'error wildcard host * is not allowed'],
  ['wildcard * on a gateway passes', 'hosts: ["*"]\ngateways: [g]\nhttp: [{route: [{destination: {host: a}}]}]', 'ok'],
  [
    'wildcard * on gateway and mesh is refused',
    'hosts: ["*"]\ngateways: [g, mesh]\nhttp: [{route: [{destination: {host: a}}]}]',
    'error wildcard host *',
  ],
  ['duplicate hosts, literally', 'hosts: [a.com, a.com]\nhttp: [{route: [{destination: {host: a}}]}]', 'error duplicate hosts'],
  ['duplicate hosts, by wildcard', 'hosts: ["*.b.com", "x.b.com"]\nhttp: [{route: [{destination: {host: a}}]}]', 'error duplicate hosts'],
  ['a bad host label', 'hosts: ["a_b.com"]\nhttp: [{route: [{destination: {host: a}}]}]', 'error label "a_b" invalid'],
  ['an IP as host passes', 'hosts: [1.2.3.4]\nhttp: [{route: [{destination: {host: a}}]}]', 'ok'],
  [
    'a negative weight',
    'hosts: [a]\nhttp: [{route: [{destination: {host: a}, weight: -1}, {destination: {host: b}, weight: 2}]}]',
    'error weight -1 < 0',
  ],
  [
    'weights that sum to zero',
    'hosts: [a]\nhttp: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]',
    'error total destination weight = 0',
  ],
  [
    'weights over 100 pass',
    'hosts: [a]\nhttp: [{route: [{destination: {host: a}, weight: 150}, {destination: {host: b}, weight: 50}]}]',
    'ok',
  ],
  [
    'route and redirect together',
    'hosts: [a]\nhttp: [{route: [{destination: {host: a}}], redirect: {uri: /x}}]',
    'error cannot contain both route and redirect',
  ],
  [
    'neither route nor redirect',
    'hosts: [a]\nhttp: [{match: [{uri: {prefix: /}}]}]',
    'error HTTP route, redirect or directResponse is required',
  ],
  ['direct response passes', 'hosts: [a]\nhttp: [{directResponse: {status: 503, body: {string: no}}}]', 'ok'],
  ['direct response with a bad status', 'hosts: [a]\nhttp: [{directResponse: {status: 99}}]', 'error HTTP status 99'],
  ['fault with redirect', 'hosts: [a]\nhttp: [{redirect: {uri: /}, fault: {abort: {httpStatus: 500}}}]', 'error both fault and redirect'],
  ['a look-ahead is not RE2', 'hosts: [a]\nhttp: [{match: [{uri: {regex: "(?=a)"}}], route: [{destination: {host: a}}]}]', 'error RE2'],
  [
    'an empty prefix',
    'hosts: [a]\nhttp: [{match: [{uri: {prefix: ""}}], route: [{destination: {host: a}}]}]',
    'error prefix string match should not be empty',
  ],
  [
    'two ways of matching one field',
    'hosts: [a]\nhttp: [{match: [{uri: {prefix: /, exact: /}}], route: [{destination: {host: a}}]}]',
    'error only one of exact, prefix can be set',
  ],
  ['a null header condition', 'hosts: [a]\nhttp: [{match: [{headers: {x: }}], route: [{destination: {host: a}}]}]', 'error cannot be null'],
  [
    'an empty header condition asks for presence',
    'hosts: [a]\nhttp: [{match: [{headers: {x: {}}}], route: [{destination: {host: a}}]}]',
    'ok',
  ],
  [
    'a bad header name',
    'hosts: [a]\nhttp: [{match: [{headers: {"a b": {exact: x}}}], route: [{destination: {host: a}}]}]',
    'error is not a valid header name',
  ],
  [
    'claims need a gateway',
    'hosts: [a]\nhttp: [{match: [{headers: {"@request.auth.claims.sub": {exact: x}}}], route: [{destination: {host: a}}]}]',
    'error only supported for gateway',
  ],
  [
    'claims on a gateway pass',
    'hosts: [a]\ngateways: [g]\nhttp: [{match: [{headers: {"@request.auth.claims[a][b]": {exact: x}}}], route: [{destination: {host: a}}]}]',
    'ok',
  ],
  [
    'a percentage over 100',
    'hosts: [a]\nhttp: [{fault: {delay: {fixedDelay: 1s, percentage: {value: 101}}}, route: [{destination: {host: a}}]}]',
    'error percentage 101',
  ],
  ['a fault without kind', 'hosts: [a]\nhttp: [{fault: {}, route: [{destination: {host: a}}]}]', 'error must have an abort and/or a delay'],
  [
    'an abort without error',
    'hosts: [a]\nhttp: [{fault: {abort: {percentage: {value: 1}}}, route: [{destination: {host: a}}]}]',
    'warning error type not set',
  ],
  [
    'a gRPC status name',
    'hosts: [a]\nhttp: [{fault: {abort: {grpcStatus: BROKEN}}, route: [{destination: {host: a}}]}]',
    'error gRPC status "BROKEN"',
  ],
  [
    'retries switched off keep no settings',
    'hosts: [a]\nhttp: [{retries: {attempts: 0, retryOn: 5xx}, route: [{destination: {host: a}}]}]',
    'error attempts are set to 0',
  ],
  [
    'retryOn names and codes pass',
    'hosts: [a]\nhttp: [{retries: {attempts: 3, retryOn: "5xx,503,connect-failure"}, route: [{destination: {host: a}}]}]',
    'ok',
  ],
  [
    'an unknown retryOn',
    'hosts: [a]\nhttp: [{retries: {attempts: 3, retryOn: sometimes}, route: [{destination: {host: a}}]}]',
    'error "sometimes" is not a valid retryOn policy',
  ],
  ['a timeout below 1 ms', 'hosts: [a]\nhttp: [{timeout: 0s, route: [{destination: {host: a}}]}]', 'error greater than 1ms'],
  [
    'a mirror percentage',
    'hosts: [a]\nhttp: [{mirror: {host: b}, mirrorPercentage: {value: 101}, route: [{destination: {host: a}}]}]',
    'error percentage 101',
  ],
  [
    'mirrorPercent is old',
    'hosts: [a]\nhttp: [{mirror: {host: b}, mirrorPercent: 50, route: [{destination: {host: a}}]}]',
    'warning use "mirrorPercentage"',
  ],
  [
    'mirror and mirrors',
    'hosts: [a]\nhttp: [{mirror: {host: b}, mirrors: [{destination: {host: c}}], route: [{destination: {host: a}}]}]',
    'error both mirror and mirrors',
  ],
  [
    'cors methods',
    'hosts: [a]\nhttp: [{corsPolicy: {allowMethods: [get]}, route: [{destination: {host: a}}]}]',
    'error "get" is not a supported HTTP method',
  ],
  [
    'cors max age in whole seconds',
    'hosts: [a]\nhttp: [{corsPolicy: {maxAge: 1500ms}, route: [{destination: {host: a}}]}]',
    'error seconds precision',
  ],
  [
    'a header value with a lone percent sign',
    'hosts: [a]\nhttp: [{headers: {request: {set: {x: "100%"}}}, route: [{destination: {host: a}}]}]',
    'error unmatched %',
  ],
  [
    'header values with variables pass',
    'hosts: [a]\nhttp: [{headers: {request: {set: {x: "%HOSTNAME% 100%% %REQ(a%b):3%"}}}, route: [{destination: {host: a}}]}]',
    'ok',
  ],
  [
    'a pseudo header cannot be removed',
    'hosts: [a]\nhttp: [{headers: {request: {remove: [":path"]}}, route: [{destination: {host: a}}]}]',
    'error ":" prefix',
  ],
  [
    'the authority is set once',
    'hosts: [a]\nhttp: [{rewrite: {authority: x}, headers: {request: {set: {host: y}}}, route: [{destination: {host: a}}]}]',
    'error cannot be set multiple times',
  ],
  ['a rewrite of nothing', 'hosts: [a]\nhttp: [{rewrite: {}, route: [{destination: {host: a}}]}]', 'error rewrite must specify'],
  ['a redirect code', 'hosts: [a]\nhttp: [{redirect: {uri: /, redirectCode: 200}}]', 'error 200 is not a valid redirect code'],
  ['a destination host *', 'hosts: [a]\nhttp: [{route: [{destination: {host: "*"}}]}]', 'error invalid destination host'],
  ['a port out of range', 'hosts: [a]\nhttp: [{route: [{destination: {host: a, port: {number: 70000}}}]}]', 'error port number 70000'],
  [
    'a gateway name with a bad namespace',
    'hosts: [a]\ngateways: ["a.b/c"]\nhttp: [{route: [{destination: {host: a}}]}]',
    'error invalid value for namespace',
  ],
  ['a legacy gateway name', 'hosts: [a]\ngateways: [c.b.svc.cluster.local]\nhttp: [{route: [{destination: {host: a}}]}]', 'warning b/c'],
  ['a root with a route', 'hosts: [a]\nhttp: [{delegate: {name: b}, route: [{destination: {host: a}}]}]', 'error must not specify route'],
  ['a root delegating by prefix passes', 'hosts: [a]\nhttp: [{match: [{uri: {prefix: /x}}], delegate: {name: b}}]', 'ok'],
  [
    'tls without sni hosts',
    'hosts: [a.com]\ntls: [{match: [{port: 443, sniHosts: []}], route: [{destination: {host: a}}]}]',
    'error at least one SNI host',
  ],
  [
    'an sni host outside hosts',
    'hosts: [a.com]\ntls: [{match: [{sniHosts: [b.com]}], route: [{destination: {host: a}}]}]',
    'error is not a compatible subset',
  ],
  ['tls passes', 'hosts: ["*.a.com"]\ntls: [{match: [{sniHosts: [x.a.com]}], route: [{destination: {host: a}}]}]', 'ok'],
  [
    'tcp subnets',
    'hosts: [a]\ntcp: [{match: [{destinationSubnets: [1.2.3.4/99]}], route: [{destination: {host: a}}]}]',
    'error is not a valid CIDR',
  ],
  ['tcp without route', 'hosts: [a]\ntcp: [{match: [{port: 1}]}]', 'error TCP route is required'],
  ['exportTo twice', 'hosts: [a]\nexportTo: [., ns]\nhttp: [{route: [{destination: {host: a}}]}]', 'error duplicate entries in exportTo'],
  [
    'exportTo public and other',
    'hosts: [a]\nexportTo: ["*", x]\nhttp: [{route: [{destination: {host: a}}]}]',
    'error cannot have both public',
  ],
  [
    'a rule behind a catch-all',
    'hosts: [a]\nhttp: [{route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]',
    'warning only the last rule can have no matches',
  ],
  [
    'a rule whose matches were used',
    'hosts: [a]\nhttp: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /a}}], route: [{destination: {host: b}}]}]',
    'warning all matches used by prior rules',
  ],
]);

check('networking.istio.io/v1beta1', 'DestinationRule', [
  ['subsets pass', 'host: reviews\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]', 'ok'],
  ['host is required', 'subsets: []', 'error Required value: spec.host'],
  ['subset names are unique', 'host: a\nsubsets: [{name: v1}, {name: v1}]', 'error duplicate subset names: v1'],
  ['subset names are labels', 'host: a\nsubsets: [{name: v.1}]', 'error subset name is invalid'],
  ['subset labels are labels', 'host: a\nsubsets: [{name: v1, labels: {"a b": c}}]', 'error invalid tag key'],
  ['an empty policy', 'host: a\ntrafficPolicy: {}', 'error must have at least one field'],
  ['an unknown algorithm', 'host: a\ntrafficPolicy: {loadBalancer: {simple: LEAST_REQUESTS}}', 'error Did you mean LEAST_REQUEST?'],
  ['an empty pool', 'host: a\ntrafficPolicy: {connectionPool: {}}', 'error connection pool must have at least one field'],
  ['a connect timeout below 1 ms', 'host: a\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 100us}}}', 'error greater than 1ms'],
  ['an idle timeout of 0s passes', 'host: a\ntrafficPolicy: {connectionPool: {tcp: {idleTimeout: 0s}}}', 'ok'],
  [
    'upgrade with client protocol',
    'host: a\ntrafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}',
    'error use client protocol must not be true',
  ],
  [
    'local origin failures need the switch',
    'host: a\ntrafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 5}}',
    'error splitExternalLocalOriginErrors',
  ],
  ['an ejection percentage', 'host: a\ntrafficPolicy: {outlierDetection: {maxEjectionPercent: 105}}', 'error percentage 105'],
  ['consecutiveErrors is old', 'host: a\ntrafficPolicy: {outlierDetection: {consecutiveErrors: 5}}', 'warning deprecated'],
  [
    'a maglev table that is not prime',
    'host: a\ntrafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 65536}}}}',
    'error prime',
  ],
  [
    'two hash keys',
    'host: a\ntrafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, httpHeaderName: x}}}',
    'error only one of httpHeaderName, useSourceIp',
  ],
  [
    'warmup bounds',
    'host: a\ntrafficPolicy: {loadBalancer: {warmup: {duration: 300s, minimumPercent: 150}}}',
    'error less than or equal to 100',
  ],
  [
    'warmup duration is required',
    'host: a\ntrafficPolicy: {loadBalancer: {warmup: {minimumPercent: 5}}}',
    'error Required value: spec.trafficPolicy.loadBalancer.warmup.duration',
  ],
  [
    'warmup aggression',
    'host: a\ntrafficPolicy: {loadBalancer: {warmup: {duration: 300s, aggression: 0.3}}}',
    'error greater than or equal to 1',
  ],
  ['mutual tls needs files', 'host: a\ntrafficPolicy: {tls: {mode: MUTUAL}}', 'error client certificate required'],
  ['istio mutual needs nothing', 'host: a\ntrafficPolicy: {tls: {mode: ISTIO_MUTUAL}}', 'ok'],
  [
    'credentialName excludes files',
    'host: a\ntrafficPolicy: {tls: {mode: SIMPLE, credentialName: x, caCertificates: y}}',
    'error if credentialName is set',
  ],
  [
    'no verification and a CA',
    'host: a\ntrafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true, caCertificates: y}}',
    'error InsecureSkipVerify',
  ],
  ['a port policy without port', 'host: a\ntrafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}', 'error must have valid port'],
  [
    'a port policy without settings',
    'host: a\ntrafficPolicy: {portLevelSettings: [{port: {number: 80}}]}',
    'error port traffic policy must have at least one field',
  ],
  [
    'distribute and failover',
    'host: a\ntrafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}], failover: [{from: a, to: b}]}}}',
    'error can not simultaneously specify',
  ],
  [
    'locality weights',
    'host: a\ntrafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 60, c: 50}}]}}}',
    'error total locality weight 110',
  ],
  [
    'overlapping localities',
    'host: a\ntrafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: "a/*", to: {b: 100}}, {from: a/b, to: {b: 100}}]}}}',
    'error overlap',
  ],
  [
    'failover without outlier detection',
    'host: a\ntrafficPolicy: {loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}}',
    'warning outlier detection policy must be provided',
  ],
  [
    'tunnel and proxy protocol',
    'host: a\ntrafficPolicy: {tunnel: {targetHost: a.com, targetPort: 80}, proxyProtocol: {version: V2}}',
    'error must not be set together',
  ],
  [
    'a selector keeps to its namespace',
    'host: a\nworkloadSelector: {matchLabels: {app: x}}\nexportTo: [other]',
    'error beyond current namespace',
  ],
]);

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

check('security.istio.io/v1', 'PeerAuthentication', [
  ['strict passes', 'mtls: {mode: STRICT}', 'ok'],
  ['ports need a selector', 'portLevelMtls: {8080: {mode: DISABLE}}', 'error requires selector'],
  ['ports are numbers', 'selector: {matchLabels: {a: b}}\nportLevelMtls: {http: {mode: DISABLE}}', 'error port must be between'],
  ['an unknown mode', 'mtls: {mode: STRIC}', 'error Did you mean STRICT?'],
]);

check('security.istio.io/v1beta1', 'RequestAuthentication', [
  ['a rule passes', 'jwtRules: [{issuer: a, jwksUri: "https://a/keys", fromCookies: [x], spaceDelimitedClaims: [s]}]', 'ok'],
  ['issuer or keys', 'jwtRules: [{audiences: [a]}]', 'error issuer must be set'],
  ['keys without issuer pass', 'jwtRules: [{jwksUri: "https://a/keys"}]', 'ok'],
  ['a null rule', 'jwtRules: [null]', 'error must be of type object'],
  ['an empty audience', 'jwtRules: [{issuer: a, audiences: [""]}]', 'error at least 1 chars long'],
  ['a bad URL', 'jwtRules: [{issuer: a, jwksUri: "hTPp\\\\\\\\blah"}]', 'error url must have scheme'],
  ['bad keys', 'jwtRules: [{issuer: a, jwks: "{"}]', 'error jwks parse error'],
  ['a header without name', 'jwtRules: [{issuer: a, fromHeaders: [{prefix: x}]}]', 'error fromHeaders[0].name'],
  ['a bad timeout', 'jwtRules: [{issuer: a, timeout: apple}]', 'error must be a valid duration'],
  ['an unknown presence', 'jwtRules: [{issuer: a, presence: MANDATORY}]', 'error Unsupported value: "MANDATORY"'],
  [
    'two targets',
    'selector: {matchLabels: {a: b}}\ntargetRef: {kind: Service, group: "", name: foo}',
    'error only one of targetRefs or selector',
  ],
  ['a target elsewhere', 'targetRef: {kind: Service, group: "", name: foo, namespace: bar}', 'error cross namespace referencing'],
]);

check('security.istio.io/v1', 'AuthorizationPolicy', [
  ['allow nothing passes', '{}', 'ok'],
  [
    'an ALLOW rule passes',
    'rules: [{from: [{source: {principals: [a], ipBlocks: [10.0.0.0/8]}}], to: [{operation: {methods: [GET], paths: ["/a/{*}/b/{**}"]}}]}]',
    'ok',
  ],
  ['DENY without rules', 'action: DENY', 'error meaningless'],
  ['an empty source', 'rules: [{from: [{source: {}}]}]', 'error must not be empty'],
  ['a missing operation', 'rules: [{to: [{}]}]', 'error must not be nil'],
  ['an empty value', 'rules: [{from: [{source: {principals: [""]}}]}]', 'error empty value not allowed'],
  ['a bad CIDR', 'rules: [{from: [{source: {ipBlocks: [1.2.3]}}]}]', 'error is not a valid IP'],
  ['a bad port', 'rules: [{to: [{operation: {ports: [abc]}}]}]', 'error invalid port'],
  ['a template in the middle', 'rules: [{to: [{operation: {paths: ["/{**}/x/{*}"]}}]}]', 'error {**} is not the last operator'],
  ['braces that are no template', 'rules: [{to: [{operation: {paths: ["/{a}"]}}]}]', 'error beyond a supported path template'],
  ['an unknown attribute', 'rules: [{when: [{key: nope, values: [a]}]}]', 'error unknown attribute: nope'],
  ['an attribute without values', 'rules: [{when: [{key: source.ip}]}]', 'error at least one of'],
  ['a header attribute passes', 'rules: [{when: [{key: "request.headers[x]", values: [a]}]}]', 'ok'],
  [
    'accounts with namespaces',
    'rules: [{from: [{source: {serviceAccounts: [bar/sa], namespaces: [bar]}}]}]',
    'error Cannot set serviceAccounts',
  ],
  ['CUSTOM without provider', 'action: CUSTOM\nrules: [{}]', 'error provider.name must not be empty'],
  [
    'CUSTOM with principals',
    'action: CUSTOM\nprovider: {name: x}\nrules: [{from: [{source: {principals: [a]}}]}]',
    'error not supported with CUSTOM',
  ],
  ['a provider without CUSTOM', 'provider: {name: x}', 'error non CUSTOM action'],
  ['a DENY rule by HTTP only', 'action: DENY\nrules: [{to: [{operation: {methods: [GET]}}]}]', 'warning denies all traffic to TCP ports'],
]);

check('telemetry.istio.io/v1', 'Telemetry', [
  ['access logs pass', 'accessLogging: [{providers: [{name: envoy}]}]', 'ok'],
  ['a provider without name', 'metrics: [{providers: [{name: ""}]}]', 'error at least 1 chars long'],
  ['an empty custom metric', 'metrics: [{overrides: [{match: {customMetric: ""}}]}]', 'error at least 1 chars long'],
  [
    'UPSERT without value',
    'metrics: [{overrides: [{tagOverrides: {foo: {operation: UPSERT}}}]}]',
    'error value must be set when operation is UPSERT',
  ],
  ['REMOVE with value', 'metrics: [{overrides: [{tagOverrides: {foo: {operation: REMOVE, value: x}}}]}]', 'error value must not be set'],
  ['sampling over 100', 'tracing: [{randomSamplingPercentage: 101}]', 'error less than or equal to 100'],
  ['several tracers', 'tracing: [{}, {}]', 'warning multiple tracing'],
]);

check('extensions.istio.io/v1alpha1', 'WasmPlugin', [
  ['an image passes', 'url: ghcr.io/a/b:1', 'ok'],
  ['url is required', '{}', 'error Required value: spec.url'],
  ['an unknown scheme', 'url: ftp://a/b', 'error unsupported scheme'],
  ['a broken escape', 'url: "#%zz"', 'error failed to parse url'],
  ['a bad checksum', 'url: oci://a/b\nsha256: abc', 'error should match'],
  ['a host variable with value', 'url: oci://a/b\nvmConfig: {env: [{name: A, valueFrom: HOST, value: x}]}', 'error valueFrom is INLINE'],
]);

test('fields at the top level are named with their place', () => {
  const [object] = parse(
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nhosts: [a]\nroute: [{destination: {host: a}}]',
  );
  const [finding] = validateResource(object as KubeObjectLike);
  assert.equal(finding?.code, 'LAT0001');
  assert.match(finding?.message ?? '', /hosts, route stand at the top level/);
  assert.match(finding?.fix ?? '', /spec:\n {2}hosts:\n {4}- a\n {2}http:\n {4}- route:/);
});

test('an unknown kind or version names what exists', () => {
  const codes = (yaml: string): (string | undefined)[] =>
    parse(yaml).flatMap((object) => validateResource(object).map((finding) => `${finding.code} ${finding.fix}`));
  assert.deepEqual(codes('apiVersion: networking.istio.io/v1\nkind: VirtualServce\nmetadata: {name: a}'), [
    'LAT0004 Did you mean VirtualService?',
  ]);
  assert.deepEqual(codes('apiVersion: networking.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}'), [
    'LAT0004 AuthorizationPolicy is in security.istio.io/v1.',
  ]);
  assert.deepEqual(codes('apiVersion: security.istio.io/v2\nkind: PeerAuthentication\nmetadata: {name: a}'), [
    'LAT0004 Use security.istio.io/v1 or security.istio.io/v1beta1.',
  ]);
  assert.deepEqual(codes('apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}'), []);
});

test('dry run is for ALLOW and DENY policies only', () => {
  const findings = (yaml: string): string[] => parse(yaml).flatMap((object) => validateResource(object).map((finding) => finding.message));
  const annotated = (rest: string): string => `metadata: {name: a, annotations: {istio.io/dry-run: "${rest}"}}`;
  assert.deepEqual(findings(`apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n${annotated('true')}`), []);
  assert.match(findings(`apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n${annotated('maybe')}`)[0] ?? '', /invalid value/);
  assert.match(
    findings(`apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n${annotated('true')}`)[0] ?? '',
    /unsupported annotation/,
  );
});

test('hostile keys and deep values do not break validation', () => {
  const object = JSON.parse(
    '{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"a"},"spec":{"__proto__":{"hosts":1},"constructor":1,"hosts":["a"],"http":[{"toString":1}]}}',
  ) as KubeObjectLike;
  assert.ok(validateResource(object).every((finding) => finding.message.length < 500));
  assert.ok(validateResource({ apiVersion: 'networking.istio.io/v1', kind: 'Gateway', metadata: 'x' as never, spec: [] }).length > 0);
});
