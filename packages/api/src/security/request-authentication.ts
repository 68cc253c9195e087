// RequestAuthentication: which JWTs a workload accepts.

import type { Resource } from '../kube-object.ts';
import { bool, choice, duration, list, message, type Static, text } from '../schema/build.ts';
import { ONE_SELECTOR, targeting } from '../schema/shared.ts';

const name = (description: string) => text(description, { minLength: 1 });

const jwtRule = message(
  'Accepts the tokens of one issuer.',
  {
    issuer: text('Value of the iss claim; may be absent when jwksUri is given.'),
    audiences: list('Accepted audiences; default is any.', name('')),
    jwksUri: text('URL of the keys; default is found by OpenID discovery.', {
      maxLength: 2048,
      cel: [{ rule: 'url(self).getScheme() in ["http", "https"]', message: 'url must have scheme http:// or https://' }],
    }),
    jwks_uri: text('Use jwksUri.'),
    jwks: text('The keys themselves.'),
    fromHeaders: list(
      'Headers that carry the token; default Authorization with prefix "Bearer ".',
      message('One header.', { name: name('Name.'), prefix: text('Text before the token.') }, { required: ['name'] }),
    ),
    fromParams: list('Query parameters that carry the token; default access_token.', name('')),
    fromCookies: list('Cookies that carry the token.', name('')),
    outputPayloadToHeader: text('Header that gets the payload, base64url.'),
    forwardOriginalToken: bool('Keep the token for the application; default false.'),
    outputClaimToHeaders: list(
      'Claims copied to headers.',
      message(
        'One claim.',
        { header: text('Header.', { minLength: 1, pattern: '^[-_A-Za-z0-9]+$' }), claim: name('Claim.') },
        { required: ['header', 'claim'] },
      ),
    ),
    timeout: duration('Limit of fetching the keys; default 5 s.'),
    spaceDelimitedClaims: list('Claims that hold several values separated by spaces.', name('')),
    presence: choice('REQUIRED rejects requests without this token; default OPTIONAL.', ['OPTIONAL', 'REQUIRED']),
  },
  {
    cel: [
      {
        rule: '(has(self.jwksUri)?1:0)+(has(self.jwks_uri)?1:0)+(has(self.jwks)?1:0)<=1',
        message: 'only one of jwks or jwksUri can be set',
      },
    ],
  },
);
/** One entry of `jwtRules`. */
export type JWTRule = Static<typeof jwtRule>;

export const requestAuthenticationSpec = message(
  'Accepted tokens. A request without token passes; require one by an AuthorizationPolicy.',
  { ...targeting, jwtRules: list('Accepted issuers.', jwtRule, { maxItems: 4096 }) },
  { cel: [ONE_SELECTOR] },
);
/** Spec of a RequestAuthentication. */
export type RequestAuthenticationSpec = Static<typeof requestAuthenticationSpec>;
/** security.istio.io RequestAuthentication. */
export type RequestAuthentication = Resource<'RequestAuthentication', RequestAuthenticationSpec>;
