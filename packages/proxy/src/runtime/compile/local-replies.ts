import { type LocalReplyConfig, LocalReplyConfigSchema, type ResponseMapper, ResponseMapperSchema } from '@lateen/xds/messages/proxy';
import type { LocalReplies, LocalReplyMapper } from '../model.ts';
import { compileLogFilter } from './access-log.ts';
import { compileBodyFormat } from './body-format.ts';
import { compileHeaderOptions } from './header-mutation.ts';
import { honours, type Report } from './report.ts';
import { inlineTextOf } from './values.ts';

const check = honours(LocalReplyConfigSchema, ['mappers', 'bodyFormat']);
const checkMapper = honours(ResponseMapperSchema, ['filter', 'statusCode', 'body', 'bodyFormatOverride', 'headersToAdd']);

export function compileLocalReplies(config: LocalReplyConfig, report: Report): LocalReplies {
  check(config, report);
  return {
    mappers: config.mappers.flatMap((mapper, i) => compileMapper(mapper, report.at('mappers', i)) ?? []),
    bodyFormat: config.bodyFormat && compileBodyFormat(config.bodyFormat, report.at('body_format')),
  };
}

function compileMapper(mapper: ResponseMapper, report: Report): LocalReplyMapper | undefined {
  checkMapper(mapper, report);
  const status = mapper.statusCode;
  const filter = mapper.filter && compileLogFilter(mapper.filter, report.at('filter'));
  if (!filter) return undefined;
  return {
    filter,
    status,
    body: mapper.body && inlineTextOf(mapper.body, report.at('body')),
    bodyFormat: mapper.bodyFormatOverride && compileBodyFormat(mapper.bodyFormatOverride, report.at('body_format_override')),
    headers: compileHeaderOptions(mapper.headersToAdd, report, 'headers_to_add'),
  };
}
