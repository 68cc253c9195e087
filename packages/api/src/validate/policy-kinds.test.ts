import { check } from './testing/rows.ts';

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
  ['an attribute with an empty value', 'rules: [{when: [{key: "request.headers[x]", values: [a, ""]}]}]', 'error empty value not allowed'],
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
  ['a filter by response code', 'accessLogging: [{filter: {expression: "response.code >= 400 && request.path == \')\'"}}]', 'ok'],
  ['a filter that is no expression', 'accessLogging: [{filter: {expression: ")++++"}}]', 'error unexpected )'],
  ['a filter that breaks off', 'accessLogging: [{filter: {expression: "response.code >="}}]', 'error ends too early'],
  ['a filter with an open quote', 'accessLogging: [{filter: {expression: "request.path == \'a"}}]', 'error the quote is not closed'],
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
