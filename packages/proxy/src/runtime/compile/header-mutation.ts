import {
  HeaderValueOption_HeaderAppendAction as Action,
  type HeaderValueOption,
  type headerMutationHttpFilter,
} from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { HeaderMutation } from '../model.ts';
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
    if (name !== 'host' && !name.startsWith(':')) return [{ kind: 'remove' as const, name }];
    report.refuse(`${name} cannot be removed`);
    return [];
  });

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
  if (name === '') report.at('header').at('key').refuse('must not be empty');
  if (option.header?.rawValue.length) report.at('header').at('raw_value').refuse('is not supported; use value');
  const value = report
    .at('header')
    .at('value')
    .take(parseFormat(option.header?.value ?? ''));
  // The deprecated boolean wins when present, as in Envoy.
  const action =
    option.append === undefined ? ACTIONS[option.appendAction] : option.append ? 'append_if_exists_or_add' : 'overwrite_if_exists_or_add';
  if (!action) report.at('append_action').refuse(`unknown value ${option.appendAction}`);
  return value && action ? { kind: 'set', name, value, action, keepEmptyValue: option.keepEmptyValue } : undefined;
}

/** The header mutation filter's two lists. */
export function compileMutations(mutations: headerMutationHttpFilter.Mutations | undefined, report: Report): HeaderMutations {
  const list = (field: 'request_mutations' | 'response_mutations', items: headerMutationHttpFilter.Mutations['requestMutations']) =>
    items.flatMap((item, i): readonly HeaderMutation[] => {
      const at = report.at(field, i);
      if (item.action.case === 'remove') return removals([item.action.value], at);
      const mutation = item.action.case === 'append' ? compileHeaderOption(item.action.value, at.at('append')) : undefined;
      if (item.action.case === undefined) at.refuse('remove or append is required');
      return mutation ? [mutation] : [];
    });
  return {
    request: list('request_mutations', mutations?.requestMutations ?? []),
    response: list('response_mutations', mutations?.responseMutations ?? []),
  };
}
