// `-o` on every command that reads.

import { CodedError } from '@lateen/base';
import { Option } from 'commander';

export type StructuredFormat = 'json' | 'yaml';

/** The `-o, --output` option; without it the command prints its table. */
export function outputOption(extra: string[] = []): Option {
  return new Option('-o, --output <format>', 'output format').choices(['json', 'yaml', ...extra]);
}

/** The value as JSON or YAML text with a final newline. */
export async function renderStructured(value: unknown, format: string): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`;
  if (format !== 'yaml')
    throw new CodedError({ code: 'LAT7001', what: `no output format ${JSON.stringify(format)}`, fix: 'use json or yaml' });
  const { stringify } = await import('yaml');
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' });
}
