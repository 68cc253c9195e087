import { toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import {
  HeaderValueOption_HeaderAppendAction as Action,
  type commonMutationRules,
  type HeaderValueOption,
  type headerMutationHttpFilter,
  type KeyValueMutation,
} from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { HeaderMutation, MessageMutations, QueryMutation } from '../model.ts';
import { compileStringMatcher } from './match.ts';
import type { Report } from './report.ts';

/** The four fields that tables, virtual hosts, routes and weighted clusters share. */
export type HeaderMutationFields = {
  requestHeadersToAdd: HeaderValueOption[];
  requestHeadersToRemove: string[];
  responseHeadersToAdd: HeaderValueOption[];
  responseHeadersToRemove: string[];
};

export type HeaderMutations = { request: readonly HeaderMutation[]; response: readonly HeaderMutation[] };

export function compileHeaderMutations(fields: HeaderMutationFields, report: Report): HeaderMutations {
  return {
    request: [
      ...removals(fields.requestHeadersToRemove, report.at('request_headers_to_remove')),
      ...compileHeaderOptions(fields.requestHeadersToAdd, report, 'request_headers_to_add'),
    ],
    response: [
      ...removals(fields.responseHeadersToRemove, report.at('response_headers_to_remove')),
      ...compileHeaderOptions(fields.responseHeadersToAdd, report, 'response_headers_to_add'),
    ],
  };
}

// Removing one of these would leave a message that cannot be sent.
const removals = (names: readonly string[], report: Report): HeaderMutation[] =>
  names.flatMap((each) => {
    const name = each.toLowerCase();
    if (isChangeable(name)) return [{ kind: 'remove' as const, name }];
    report.refuse(':-prefixed or host headers may not be removed');
    return [];
  });

const isChangeable = (name: string): boolean => name !== 'host' && !name.startsWith(':');

const ACTIONS: Partial<Record<number, Extract<HeaderMutation, { kind: 'set' }>['action']>> = {
  [Action.APPEND_IF_EXISTS_OR_ADD]: 'append_if_exists_or_add',
  [Action.ADD_IF_ABSENT]: 'add_if_absent',
  [Action.OVERWRITE_IF_EXISTS_OR_ADD]: 'overwrite_if_exists_or_add',
  [Action.OVERWRITE_IF_EXISTS]: 'overwrite_if_exists',
};

export function compileHeaderOptions(options: readonly HeaderValueOption[], report: Report, field: string): HeaderMutation[] {
  return options.flatMap((option, i) => compileHeaderOption(option, report.at(field, i)) ?? []);
}

export function compileHeaderOption(option: HeaderValueOption, report: Report): HeaderMutation | undefined {
  const name = option.header?.key.toLowerCase() ?? '';
  if (!isChangeable(name)) report.at('header').at('key').refuse(':-prefixed or host headers may not be modified');
  const raw = option.header?.rawValue;
  const text = raw?.length ? new TextDecoder().decode(raw) : (option.header?.value ?? '');
  const value = report
    .at('header')
    .at('value')
    .take(parseFormat(withoutArrays(text)));
  if (option.append !== undefined && option.appendAction !== Action.APPEND_IF_EXISTS_OR_ADD) {
    report.at('append').refuse('excludes append_action');
  }
  const action =
    option.append === undefined ? ACTIONS[option.appendAction] : option.append ? 'append_if_exists_or_add' : 'overwrite_if_exists_or_add';
  if (!action) report.at('append_action').refuse(`unknown value ${option.appendAction}`);
  return value && action ? { kind: 'set', name, value, action, keepEmptyValue: option.keepEmptyValue } : undefined;
}

/** Headers know older forms, too: UPSTREAM_METADATA(["ns", "key"]) and PER_REQUEST_STATE(key). */
const withoutArrays = (text: string): string =>
  text
    .replaceAll(/%((?:UPSTREAM|DYNAMIC)_METADATA)\(\s*\[([^\]]*)\]\s*\)%/g, (whole, operator: string, items: string) => {
      const names = items.split(',').map((item) => /^\s*"([^"\\]*)"\s*$/.exec(item)?.[1]);
      return names.length > 1 && names.every((name) => name !== undefined) ? `%${operator}(${names.join(':')})%` : whole;
    })
    .replaceAll(/%PER_REQUEST_STATE\(([^():]+)\)%/g, '%FILTER_STATE($1:PLAIN)%');

/** A list of mutations, each one a removal, an addition or a removal of all names that match. */
export function compileMutationList(items: readonly commonMutationRules.HeaderMutation[], report: Report, field: string): HeaderMutation[] {
  return items.flatMap((item, i): readonly HeaderMutation[] => {
    const at = report.at(field, i);
    const { action } = item;
    switch (action.case) {
      case 'remove':
        return removals([action.value], at.at('remove'));
      case 'append':
        return [compileHeaderOption(action.value, at.at('append'))].filter((each) => each !== undefined);
      default: {
        const matcher = item.removeOnMatch?.keyMatcher;
        if (!matcher) at.refuse('remove, append or remove_on_match is required');
        const name = matcher && compileStringMatcher(matcher, at.at('remove_on_match').at('key_matcher'));
        return name ? [{ kind: 'remove_matching', matches: (each) => isChangeable(each) && name.test(each) }] : [];
      }
    }
  });
}

/** What the header mutation filter changes of a message exchange. */
export function compileMutations(mutations: headerMutationHttpFilter.Mutations | undefined, report: Report): MessageMutations {
  return {
    request: compileMutationList(mutations?.requestMutations ?? [], report, 'request_mutations'),
    query: (mutations?.queryParameterMutations ?? []).flatMap(
      (each, i) => compileQueryMutation(each, report.at('query_parameter_mutations', i)) ?? [],
    ),
    requestTrailers: compileMutationList(mutations?.requestTrailersMutations ?? [], report, 'request_trailers_mutations'),
    response: compileMutationList(mutations?.responseMutations ?? [], report, 'response_mutations'),
    responseTrailers: compileMutationList(mutations?.responseTrailersMutations ?? [], report, 'response_trailers_mutations'),
  };
}

function compileQueryMutation(mutation: KeyValueMutation, report: Report): QueryMutation | undefined {
  const { append } = mutation;
  if (mutation.remove !== '') {
    if (append) report.refuse('only one of append and remove can be specified');
    return { kind: 'remove', name: mutation.remove };
  }
  const { record, entry } = append ?? {};
  const name = record?.key ?? entry?.key ?? '';
  const value = record ? record.value && toJson(ValueSchema, record.value) : entry && new TextDecoder().decode(entry.value);
  if (name === '') report.refuse('remove or append with a key is required');
  const text = typeof value === 'string' ? value : '';
  if (value !== undefined && typeof value !== 'string') report.at('append').at('record').refuse('must have a string as value');
  const format = report.at('append').take(parseFormat(text));
  const action = ACTIONS[append?.action ?? 0];
  return format && action ? { kind: 'set', name, value: format, action } : undefined;
}
