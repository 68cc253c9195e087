// Filters that only note something of a request, and the one that holds its body back.

import {
  type bufferHttpFilter,
  commonSetFilterState,
  setFilterStateHttpFilter,
  setMetadataHttpFilter,
  headerToMetadataHttpFilter as toMetadata,
} from '@lateen/xds/messages/proxy';
import type { FilterStateRuntime, FilterStateWrites, HeaderToMetadataRule, MetadataWrite, NotedValue } from '../model.ts';
import { compileBodyFormat } from './body-format.ts';
import { compileTextRewrite } from './redirect.ts';
import { honours, type Report } from './report.ts';

export const compileBuffer = ({ maxRequestBytes = 0 }: bufferHttpFilter.Buffer): { maxRequestBytes: number } => ({ maxRequestBytes });

const checkState = honours(setFilterStateHttpFilter.ConfigSchema, ['onRequestHeaders', 'clearRouteCache']);
const checkValue = honours(commonSetFilterState.FilterStateValueSchema, [
  'objectKey',
  'factoryKey',
  'formatString',
  'readOnly',
  'sharedWithUpstream',
  'skipIfEmpty',
]);

export function compileSetFilterState(message: setFilterStateHttpFilter.Config, report: Report): FilterStateWrites {
  checkState(message, report);
  const values = message.onRequestHeaders.map((value, i) => compileFilterState(value, report.at('on_request_headers', i)));
  return { values, clearRouteCache: message.clearRouteCache };
}

/** One value of set_filter_state (HTTP and network filter alike). */
export function compileFilterState(value: commonSetFilterState.FilterStateValue, report: Report): FilterStateRuntime {
  checkValue(value, report);
  const format = value.value.case === 'formatString' ? compileBodyFormat(value.value.value, report.at('format_string')) : undefined;
  if (format?.kind === 'json') report.at('format_string').refuse('must be text');
  return {
    key: value.key.value ?? '',
    value: format?.kind === 'text' ? format.text : [],
    omitEmpty: format?.omitEmpty ?? false,
    readOnly: value.readOnly,
    skipIfEmpty: value.skipIfEmpty,
  };
}

const checkSet = honours(setMetadataHttpFilter.ConfigSchema, ['metadataNamespace', 'value', 'metadata']);
const checkMetadata = honours(setMetadataHttpFilter.MetadataSchema, ['metadataNamespace', 'allowOverwrite', 'value']);

export function compileSetMetadata(message: setMetadataHttpFilter.Config, report: Report): readonly MetadataWrite[] {
  checkSet(message, report);
  const writes = message.metadata.map((each, i): MetadataWrite => {
    checkMetadata(each, report.at('metadata', i));
    return { namespace: each.metadataNamespace, value: each.value ?? {}, allowOverwrite: each.allowOverwrite };
  });
  // The deprecated form merges like allow_overwrite.
  if (message.value) writes.unshift({ namespace: message.metadataNamespace, value: message.value, allowOverwrite: true });
  return writes;
}

const checkConfig = honours(toMetadata.ConfigSchema, ['requestRules', 'responseRules']);
const checkRule = honours(toMetadata.Config_RuleSchema, ['header', 'cookie', 'onHeaderPresent', 'onHeaderMissing', 'remove']);

export function compileHeaderToMetadata(
  message: toMetadata.Config,
  report: Report,
): { request: readonly HeaderToMetadataRule[]; response: readonly HeaderToMetadataRule[] } {
  checkConfig(message, report);
  return {
    request: message.requestRules.map((rule, i) => compileRule(rule, report.at('request_rules', i))),
    response: message.responseRules.map((rule, i) => compileRule(rule, report.at('response_rules', i))),
  };
}

function compileRule(rule: toMetadata.Config_Rule, report: Report): HeaderToMetadataRule {
  checkRule(rule, report);
  if ((rule.header === '') === (rule.cookie === '')) report.refuse('one of header and cookie is required');
  if (!rule.onHeaderPresent && !rule.onHeaderMissing) report.refuse('on_header_present or on_header_missing is required');
  if (rule.onHeaderMissing && rule.onHeaderMissing.value === '') report.at('on_header_missing').at('value').refuse('must not be empty');
  if (rule.cookie !== '' && rule.remove) report.at('remove').refuse('cannot remove a cookie');
  return {
    header: rule.header.toLowerCase(),
    cookie: rule.cookie,
    remove: rule.remove,
    present: rule.onHeaderPresent && compileNoted(rule.onHeaderPresent, report.at('on_header_present')),
    missing: rule.onHeaderMissing && compileNoted(rule.onHeaderMissing, report.at('on_header_missing')),
  };
}

const TYPES: Partial<Record<number, NotedValue['type']>> = {
  [toMetadata.Config_ValueType.NUMBER]: 'number',
  [toMetadata.Config_ValueType.PROTOBUF_VALUE]: 'protobuf_value',
};

function compileNoted(pair: toMetadata.Config_KeyValuePair, report: Report): NotedValue {
  const isBase64 = pair.encode === toMetadata.Config_ValueEncode.BASE64;
  const type = TYPES[pair.type] ?? 'string';
  if (pair.value !== '' && pair.regexValueRewrite) report.at('value').refuse('excludes regex_value_rewrite');
  return {
    namespace: pair.metadataNamespace || 'envoy.filters.http.header_to_metadata',
    key: pair.key,
    value: pair.value,
    rewrite: pair.regexValueRewrite && compileTextRewrite(pair.regexValueRewrite, report.at('regex_value_rewrite')),
    type,
    isBase64,
  };
}
