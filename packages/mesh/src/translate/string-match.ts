// Istio's StringMatch -> Envoy matchers. Regular expressions are RE2 and match the whole text.

import { create } from '@bufbuild/protobuf';
import {
  type HeaderMatcher,
  HeaderMatcherSchema,
  type QueryParameterMatcher,
  QueryParameterMatcherSchema,
  typeMatcherString,
} from '@lateen/xds/messages/config';
import type { StringMatch } from '../model/index.ts';

/** An Envoy StringMatcher, or undefined for a match without condition ("is present"). */
export function stringMatcher(match: StringMatch): typeMatcherString.StringMatcher | undefined {
  if (match.exact !== undefined)
    return create(typeMatcherString.StringMatcherSchema, { matchPattern: { case: 'exact', value: match.exact } });
  if (match.prefix !== undefined)
    return create(typeMatcherString.StringMatcherSchema, { matchPattern: { case: 'prefix', value: match.prefix } });
  if (match.regex !== undefined) {
    return create(typeMatcherString.StringMatcherSchema, { matchPattern: { case: 'safeRegex', value: { regex: match.regex } } });
  }
  return undefined;
}

export function headerMatcher(name: string, match: StringMatch, options: { isInverted: boolean } = { isInverted: false }): HeaderMatcher {
  const pattern = stringMatcher(match);
  return create(HeaderMatcherSchema, {
    name,
    headerMatchSpecifier: pattern ? { case: 'stringMatch', value: pattern } : { case: 'presentMatch', value: true },
    invertMatch: options.isInverted,
    // Without the header, "is not X" holds.
    treatMissingHeaderAsEmpty: options.isInverted && pattern !== undefined,
  });
}

export function queryMatcher(name: string, match: StringMatch): QueryParameterMatcher {
  const pattern = stringMatcher(match);
  return create(QueryParameterMatcherSchema, {
    name,
    queryParameterMatchSpecifier: pattern ? { case: 'stringMatch', value: pattern } : { case: 'presentMatch', value: true },
  });
}
