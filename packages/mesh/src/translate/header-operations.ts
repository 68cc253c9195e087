// Header operations of a rule or destination -> Envoy's four lists.

import { HeaderValueOption_HeaderAppendAction } from '@lateen/xds/messages/config';
import type { HeaderOperations, Headers } from '../model/index.ts';

/** Fields shared by Route, ClusterWeight and VirtualHost. */
export function headerFields(headers: Headers | undefined) {
  return {
    requestHeadersToAdd: valueOptions(headers?.request),
    requestHeadersToRemove: headers?.request?.remove ?? [],
    responseHeadersToAdd: valueOptions(headers?.response),
    responseHeadersToRemove: headers?.response?.remove ?? [],
  };
}

/** The authority that `request.set` asks for: Envoy changes it by host rewrite, never as a header. */
export function authorityOverride(headers: Headers | undefined): string | undefined {
  const found = Object.entries(headers?.request?.set ?? {}).find(([name]) => isAuthority(name));
  return found?.[1];
}

/** Both sets of operations in order. */
export function joinHeaders(a: Headers | undefined, b: Headers | undefined) {
  const [left, right] = [headerFields(a), headerFields(b)];
  return {
    requestHeadersToAdd: [...left.requestHeadersToAdd, ...right.requestHeadersToAdd],
    requestHeadersToRemove: [...left.requestHeadersToRemove, ...right.requestHeadersToRemove],
    responseHeadersToAdd: [...left.responseHeadersToAdd, ...right.responseHeadersToAdd],
    responseHeadersToRemove: [...left.responseHeadersToRemove, ...right.responseHeadersToRemove],
  };
}

function valueOptions(operations: HeaderOperations | undefined) {
  const option =
    (appendAction: HeaderValueOption_HeaderAppendAction) =>
    ([key, value]: [string, string]) => ({
      header: { key: key.toLowerCase(), value },
      appendAction,
    });
  const { OVERWRITE_IF_EXISTS_OR_ADD, APPEND_IF_EXISTS_OR_ADD } = HeaderValueOption_HeaderAppendAction;
  return [
    ...sorted(operations?.set)
      .filter(([name]) => !isAuthority(name))
      .map(option(OVERWRITE_IF_EXISTS_OR_ADD)),
    ...sorted(operations?.add).map(option(APPEND_IF_EXISTS_OR_ADD)),
  ];
}

const isAuthority = (name: string): boolean => name.toLowerCase() === 'host' || name.toLowerCase() === ':authority';
const sorted = (map: Record<string, string> | undefined): [string, string][] =>
  Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
