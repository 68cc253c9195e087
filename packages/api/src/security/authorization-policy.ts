// AuthorizationPolicy: who may call a workload, and how.

import type { Resource } from '../kube-object.ts';
import { choice, list, message, type Static, text } from '../schema/build.ts';
import { ONE_SELECTOR, targeting } from '../schema/shared.ts';

const values = (description: string) => list(description, text());
const serviceAccounts = (description: string) => list(description, text('', { maxLength: 320 }), { maxItems: 16 });

const source = message(
  'The caller; all given fields must hold.',
  {
    principals: values('Identities TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT.'),
    notPrincipals: values('Identities that must not match.'),
    requestPrincipals: values('Token identities ISSUER/SUBJECT.'),
    notRequestPrincipals: values('Token identities that must not match.'),
    namespaces: values('Namespaces of the caller.'),
    notNamespaces: values('Namespaces that must not match.'),
    serviceAccounts: serviceAccounts('Service accounts, NAMESPACE/NAME or NAME; no wildcards.'),
    notServiceAccounts: serviceAccounts('Service accounts that must not match.'),
    trustDomains: values('Trust domains of the caller.'),
    notTrustDomains: values('Trust domains that must not match.'),
    ipBlocks: values('Peer addresses, CIDR.'),
    notIpBlocks: values('Peer addresses that must not match.'),
    remoteIpBlocks: values('Client addresses (X-Forwarded-For), CIDR.'),
    notRemoteIpBlocks: values('Client addresses that must not match.'),
  },
  {
    cel: [
      {
        rule: '(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? (!has(self.principals) && !has(self.notPrincipals) && !has(self.namespaces) && !has(self.notNamespaces)) : true',
        message: 'Cannot set serviceAccounts with namespaces or principals',
      },
    ],
  },
);
/** `from[].source`. */
export type Source = Static<typeof source>;

const operation = message('The request; all given fields must hold.', {
  hosts: values('Hosts.'),
  notHosts: values('Hosts that must not match.'),
  ports: values('Ports.'),
  notPorts: values('Ports that must not match.'),
  methods: values('HTTP methods.'),
  notMethods: values('HTTP methods that must not match.'),
  paths: values('Paths; templates {*} and {**} are allowed.'),
  notPaths: values('Paths that must not match.'),
});
/** `to[].operation`. */
export type Operation = Static<typeof operation>;

const condition = message(
  'An attribute and its values.',
  { key: text('Name of the attribute.'), values: values('Accepted values.'), notValues: values('Values that must not match.') },
  { required: ['key'] },
);
/** One entry of `when`. */
export type Condition = Static<typeof condition>;

const rule = message('Matches a request when from, to and when do.', {
  from: list('Alternative callers.', message('A caller.', { source }), { maxItems: 512 }),
  to: list('Alternative requests.', message('A request.', { operation })),
  when: list('Further conditions, all of which must hold.', condition),
});
/** One entry of `rules`. */
export type Rule = Static<typeof rule>;

export const authorizationPolicySpec = message(
  'Rules for the requests to workloads.',
  {
    ...targeting,
    rules: list('Alternatives; none never matches, an empty one always.', rule, { maxItems: 512 }),
    action: choice('What a match does; default ALLOW. CUSTOM comes before DENY, DENY before ALLOW.', ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']),
    provider: message('The external authorizer of CUSTOM.', { name: text('Its name in MeshConfig.') }),
  },
  { cel: [ONE_SELECTOR] },
);
/** Spec of an AuthorizationPolicy. */
export type AuthorizationPolicySpec = Static<typeof authorizationPolicySpec>;
/** security.istio.io AuthorizationPolicy. */
export type AuthorizationPolicy = Resource<'AuthorizationPolicy', AuthorizationPolicySpec>;
