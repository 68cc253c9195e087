// Semantic rules of RequestAuthentication and PeerAuthentication.

import { isObject } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import { checkTargeting, checkWorkloadSelector } from '../validate/selectors.ts';
import { headerNameProblem } from '../validate/values.ts';
import type { PeerAuthentication } from './peer-authentication.ts';
import type { JWTRule, RequestAuthentication } from './request-authentication.ts';

const MAX_JWKS_CHARS = 256 * 1024;

export function checkRequestAuthentication({ spec }: RequestAuthentication, report: Report): void {
  checkTargeting(spec, report);
  spec.jwtRules?.forEach((rule, i) => {
    checkJwtRule(rule, `spec.jwtRules[${i}]`, report);
  });
}

function checkJwtRule(rule: JWTRule, path: string, report: Report): void {
  const uri = rule.jwksUri ?? rule.jwks_uri;
  if (!rule.issuer && !uri)
    report.error(`${path}.issuer`, 'issuer must be set', 'Or give jwksUri, then tokens of any issuer with those keys are accepted.');
  if (uri) report.check(`${path}.jwksUri`, jwksUriProblem(uri));
  if (uri && rule.jwks) report.error(`${path}.jwks`, 'only one of jwks or jwksUri can be set');
  if (rule.jwks) report.check(`${path}.jwks`, jwksProblem(rule.jwks));
  rule.outputClaimToHeaders?.forEach(({ header, claim }, i) => {
    const place = `${path}.outputClaimToHeaders[${i}]`;
    if (!header || !claim) report.error(place, 'outputClaimToHeaders header and claim value must be non-empty string');
    else report.check(`${place}.header`, headerNameProblem(header));
  });
}

function jwksUriProblem(uri: string): string | undefined {
  let scheme: string;
  try {
    scheme = new URL(uri).protocol;
  } catch {
    return 'url must have scheme http:// or https://';
  }
  return scheme === 'http:' || scheme === 'https:' ? undefined : 'url must have scheme http:// or https://';
}

function jwksProblem(text: string): string | undefined {
  if (text.length > MAX_JWKS_CHARS) return `jwks is larger than ${MAX_JWKS_CHARS} characters`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return 'jwks parse error: not valid JSON';
  }
  if (!isObject(parsed)) return 'jwks parse error: expected an object with keys';
  if (parsed.keys === undefined) return parsed.kty === undefined ? 'jwks parse error: no keys' : undefined;
  if (!Array.isArray(parsed.keys)) return 'jwks parse error: keys is not a list';
  return parsed.keys.every((key) => isObject(key) && typeof key.kty === 'string') ? undefined : 'jwks parse error: a key has no kty';
}

export function checkPeerAuthentication({ spec }: PeerAuthentication, report: Report): void {
  const ports = spec.portLevelMtls;
  const hasSelector = Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
  if (ports && !hasSelector)
    report.error('spec.portLevelMtls', 'portLevelMtls requires selector', 'Add selector.matchLabels, or set mtls for every port.');
  if (ports && Object.keys(ports).length === 0)
    report.error('spec.portLevelMtls', 'port level mTLS, if defined, must have at least one element');
  for (const port of Object.keys(ports ?? {})) {
    const valid = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535;
    if (!valid) report.error(`spec.portLevelMtls[${port.slice(0, 40)}]`, 'port must be between 1-65535');
  }
  checkWorkloadSelector(spec.selector, 'spec.selector', report);
}
