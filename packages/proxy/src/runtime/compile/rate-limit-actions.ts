// rate_limits of routes and virtual hosts: each makes one descriptor of a request, or none.

import { parseCidr } from '@lateen/base';
import {
  RateLimit_Action_MetaData_Source as MetadataSource,
  type RateLimit,
  type RateLimit_Action,
  RateLimit_Action_HeaderValueMatchSchema,
  RateLimit_Action_QueryParameterValueMatchSchema,
  RateLimit_Action_RequestHeadersSchema,
  RateLimitSchema,
} from '@lateen/xds/messages/proxy';
import type { RateLimitEntry, RateLimitRuntime, RateLimitView } from '../model.ts';
import { compileHeaderMatcher, compileQueryMatcher, headerReader, metadataValue } from './match.ts';
import { honours, type Report } from './report.ts';

/** An entry; undefined: the descriptor does not apply; 'skip': it goes without this entry. */
type Action = (view: RateLimitView, sourceCluster: string) => RateLimitEntry | 'skip' | undefined;

const check = honours(RateLimitSchema, ['stage', 'disableKey', 'actions']);

export function compileRateLimits(limits: readonly RateLimit[], report: Report): RateLimitRuntime[] {
  return limits.map((limit, i) => {
    const at = report.at('rate_limits', i);
    check(limit, at);
    const actions = limit.actions.map((action, j) => compileAction(action, at.at('actions', j)));
    return { stage: limit.stage ?? 0, descriptor: (view, sourceCluster) => describe(actions, view, sourceCluster) };
  });
}

function describe(actions: readonly Action[], view: RateLimitView, sourceCluster: string): readonly RateLimitEntry[] | undefined {
  const entries: RateLimitEntry[] = [];
  for (const action of actions) {
    const entry = action(view, sourceCluster);
    if (entry === undefined) return undefined;
    if (entry !== 'skip') entries.push(entry);
  }
  return entries;
}

const nothing: Action = () => undefined;
const checkHeaders = honours(RateLimit_Action_RequestHeadersSchema, ['headerName', 'descriptorKey', 'skipIfAbsent']);
// Values are taken as they are and never empty (Envoy formats them by a runtime feature that is off), so default values have no say.
const checkHeaderMatch = honours(RateLimit_Action_HeaderValueMatchSchema, [
  'descriptorKey',
  'descriptorValue',
  'defaultValue',
  'expectMatch',
  'headers',
]);
const checkQueryMatch = honours(RateLimit_Action_QueryParameterValueMatchSchema, [
  'descriptorKey',
  'descriptorValue',
  'defaultValue',
  'expectMatch',
  'queryParameters',
]);

function compileAction({ actionSpecifier: action }: RateLimit_Action, report: Report): Action {
  switch (action.case) {
    case 'sourceCluster':
      return (_view, sourceCluster) => ({ key: 'source_cluster', value: sourceCluster });
    case 'destinationCluster':
      return ({ decision }) => (decision?.kind === 'forward' ? { key: 'destination_cluster', value: decision.cluster } : undefined);
    case 'requestHeaders': {
      const { headerName, descriptorKey: key, skipIfAbsent } = action.value;
      checkHeaders(action.value, report.at('request_headers'));
      const read = headerReader(headerName.toLowerCase());
      return (view) => {
        const value = read(view);
        if (value !== undefined) return { key, value };
        return skipIfAbsent ? 'skip' : undefined;
      };
    }
    case 'remoteAddress':
      return (view) => ({ key: 'remote_address', value: addressOf(view) });
    case 'maskedRemoteAddress': {
      const { v4PrefixMaskLen: v4 = 32, v6PrefixMaskLen: v6 = 128 } = action.value;
      return (view) => {
        const address = addressOf(view);
        const value = masked(address, address.includes(':') ? v6 : v4);
        return value === undefined ? undefined : { key: 'masked_remote_address', value };
      };
    }
    case 'genericKey': {
      const entry = { key: action.value.descriptorKey || 'generic_key', value: action.value.descriptorValue };
      return () => entry;
    }
    case 'headerValueMatch': {
      const at = report.at('header_value_match');
      checkHeaderMatch(action.value, at);
      const matchers = action.value.headers.map((matcher, i) => compileHeaderMatcher(matcher, at.at('headers', i)));
      const entry = { key: action.value.descriptorKey || 'header_match', value: action.value.descriptorValue };
      const { expectMatch = true } = action.value;
      return (view) => (matchers.every((matcher) => matcher.test(view)) === expectMatch ? entry : undefined);
    }
    case 'queryParameterValueMatch': {
      const at = report.at('query_parameter_value_match');
      checkQueryMatch(action.value, at);
      const matchers = action.value.queryParameters.map((matcher, i) => compileQueryMatcher(matcher, at.at('query_parameters', i)));
      const entry = { key: action.value.descriptorKey || 'query_match', value: action.value.descriptorValue };
      const { expectMatch = true } = action.value;
      return (view) => (matchers.every((matcher) => matcher.test(view)) === expectMatch ? entry : undefined);
    }
    case 'metadata': {
      const { descriptorKey: key, metadataKey, defaultValue, source, skipIfAbsent } = action.value;
      const namespace = metadataKey?.key ?? '';
      const path = metadataKey?.path.map(({ segment }) => segment.value ?? '') ?? [];
      const isRoute = source === MetadataSource.ROUTE_ENTRY;
      return (view) => {
        const fields = isRoute ? view.decision?.route?.metadata.get(namespace) : view.dynamicMetadata?.get(namespace);
        const found = metadataValue(fields, path);
        const value = typeof found === 'string' && found !== '' ? found : defaultValue;
        if (value !== '') return { key, value };
        return skipIfAbsent ? 'skip' : undefined;
      };
    }
    default:
      if (action.case) report.refuse(`${action.case} is not supported`);
      return nothing;
  }
}

const addressOf = (view: RateLimitView): string => view.remoteAddress.slice(0, view.remoteAddress.lastIndexOf(':')).replace(/^\[|\]$/g, '');

function masked(address: string, length: number): string | undefined {
  const cidr = parseCidr(`${address}/${length}`);
  return cidr.ok ? `${networkOf(address, length)}/${length}` : undefined;
}

/** The address with the bits behind `length` zeroed; IPv6 is cut at whole groups of 16 bits. */
function networkOf(address: string, length: number): string {
  if (address.includes(':')) {
    const kept = Math.floor(length / 16);
    if (kept >= 8) return address;
    const [left = '', right] = address.split('::');
    const head = left === '' ? [] : left.split(':');
    const tail = right === undefined || right === '' ? [] : right.split(':');
    const groups = right === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
    return `${groups.slice(0, kept).join(':')}::`;
  }
  let bits = 0;
  for (const part of address.split('.')) bits = bits * 256 + Number(part);
  const size = 2 ** (32 - length);
  const network = Math.floor(bits / size) * size;
  return [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join('.');
}
