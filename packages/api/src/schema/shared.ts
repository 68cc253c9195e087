// Messages that several kinds use: selectors, ports, target references.

import { bool, choice, list, map, message, type Static, text, uint32 } from './build.ts';

/** At most one of a kind's selector, targetRef and targetRefs. */
export const ONE_SELECTOR = {
  rule: '(has(self.selector)?1:0)+(has(self.targetRef)?1:0)+(has(self.targetRefs)?1:0)<=1',
  message: 'only one of targetRefs or selector can be set',
};

/** CEL of a port field. */
export const PORT_RULE = { rule: '0 < self && self <= 65535', message: 'port must be between 1-65535' };

const labelValue = text('', {
  maxLength: 63,
  cel: [{ rule: '!self.contains("*")', message: 'wildcard is not allowed in label value match' }],
});

const LABEL_KEY_RULES = [
  { rule: 'self.all(key, !key.contains("*"))', message: 'wildcard not allowed in label key match' },
  { rule: 'self.all(key, key.size() != 0)', message: 'key must not be empty' },
];

export const workloadSelector = message(
  'Picks workloads by their labels; without it the object applies to every workload of its namespace.',
  {
    matchLabels: map('Labels a workload must carry.', labelValue, { maxProperties: 4096, cel: LABEL_KEY_RULES }),
  },
);
/** The same for those that must say which workloads they mean. */
export const nonEmptyWorkloadSelector: typeof workloadSelector = message(
  'Picks workloads by their labels; without it all of the namespace.',
  {
    matchLabels: map('Labels a workload must carry.', labelValue, { minProperties: 1, maxProperties: 4096, cel: LABEL_KEY_RULES }),
  },
);
/** `selector.matchLabels` of policies and of DestinationRule. */
export type WorkloadSelector = Static<typeof workloadSelector>;

export const networkingWorkloadSelector = message('Picks pods and WorkloadEntries of the same namespace by their labels.', {
  labels: map(
    'Labels a workload must carry.',
    text('', { maxLength: 63, cel: [{ rule: '!self.contains("*")', message: 'wildcard is not supported in selector' }] }),
    {
      maxProperties: 256,
    },
  ),
});
/** `workloadSelector.labels` of Sidecar, ServiceEntry and EnvoyFilter. */
export type NetworkingWorkloadSelector = Static<typeof networkingWorkloadSelector>;

export const policyTargetReference = message(
  'The object a policy attaches to.',
  {
    group: text('API group of the target; empty for core.', {
      maxLength: 253,
      pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
    }),
    kind: text('Kind of the target.', { minLength: 1, maxLength: 63, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$' }),
    name: text('Name of the target.', { minLength: 1, maxLength: 253 }),
    namespace: text('Must be empty: a target is in the namespace of the policy.', {
      cel: [{ rule: 'self.size() == 0', message: 'cross namespace referencing is not currently supported' }],
    }),
  },
  { required: ['kind', 'name'] },
);
/** `targetRef` and `targetRefs` of policies. */
export type PolicyTargetReference = Static<typeof policyTargetReference>;

export const targetRefs = list('Objects this policy attaches to; all in its own namespace.', policyTargetReference, { maxItems: 16 });

/** The three fields by which policies say what they apply to. */
export const targeting = {
  selector: workloadSelector,
  targetRef: policyTargetReference,
  targetRefs,
};

export const portSelector = message('A port by its number.', { number: uint32('Port number, 1 to 65535.') });
/** `port: {number}`. */
export type PortSelector = Static<typeof portSelector>;

export const stringMatch = message(
  'Matches a string in one of three ways.',
  {
    exact: text('The whole value.'),
    prefix: text('The start of the value.'),
    regex: text('RE2 expression for the whole value.'),
  },
  { oneOf: [{ fields: ['exact', 'prefix', 'regex'] }] },
);
/** Exact, prefix or regex. */
export type StringMatch = Static<typeof stringMatch>;

export const serverPort = message(
  'A port a proxy listens on.',
  {
    number: uint32('Port number.'),
    protocol: text('HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, REDIS, MYSQL, TCP or TLS.'),
    name: text('Label of the port.'),
    targetPort: uint32('Has no effect here.'),
  },
  { required: ['number', 'protocol', 'name'] },
);
/** A Gateway server's port. */
export type ServerPort = Static<typeof serverPort>;

export const tlsVersion = (description: string) => choice(description, ['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']);

export const tlsCertificate = message('A certificate and key by file paths.', {
  serverCertificate: text('Path of the certificate chain.'),
  privateKey: text('Path of the private key.'),
  caCertificates: text('Path of the CA certificates clients are verified with.'),
});

export const serverTls = message('How a server terminates or passes TLS.', {
  httpsRedirect: bool('Answer every plain HTTP request with 301 to https.'),
  mode: choice('PASSTHROUGH routes by SNI, SIMPLE terminates, the MUTUAL modes ask for a client certificate.', [
    'PASSTHROUGH',
    'SIMPLE',
    'MUTUAL',
    'AUTO_PASSTHROUGH',
    'ISTIO_MUTUAL',
    'OPTIONAL_MUTUAL',
  ]),
  serverCertificate: text('Path of the server certificate.'),
  privateKey: text('Path of the private key.'),
  caCertificates: text('Path of the CA certificates clients are verified with.'),
  caCrl: text('Path of the revocation list for client certificates.'),
  credentialName: text('Secret with certificate and key.'),
  credentialNames: list('Secrets with certificate and key, one RSA and one ECDSA at most.', text(), { maxItems: 2, minItems: 1 }),
  caCertCredentialName: text('Secret with the CA certificate for client verification.'),
  tlsCertificates: list('Certificate and key files, one RSA and one ECDSA at most.', tlsCertificate, { maxItems: 2, minItems: 1 }),
  subjectAltNames: list('Names of which a client certificate must carry one.', text()),
  verifyCertificateSpki: list('Base64 SHA-256 of accepted public keys.', text()),
  verifyCertificateHash: list('Hex SHA-256 of accepted certificates.', text()),
  minProtocolVersion: tlsVersion('Lowest TLS version; default 1.2.'),
  maxProtocolVersion: tlsVersion('Highest TLS version.'),
  cipherSuites: list('Accepted cipher suites; the default is Envoy’s.', text()),
});
/** `tls` of a Gateway server or a Sidecar ingress listener. */
export type ServerTls = Static<typeof serverTls>;
