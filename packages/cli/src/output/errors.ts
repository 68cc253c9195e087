import { CodedError, messageOf } from '@lateen/base';
import type { CliSettings } from '../settings.ts';

/** Writes an error to standard error: what, why, fix, code; the stack only with LATEEN_DEBUG. */
export function printError(error: unknown, settings: CliSettings, write = (text: string) => void process.stderr.write(text)): void {
  write(`${renderError(error, settings)}\n`);
}

export function renderError(error: unknown, { programName }: Pick<CliSettings, 'programName'>): string {
  if (!(error instanceof CodedError)) return `${programName}: ${messageOf(error)}`;
  const lines = [`${programName}: ${error.what}`];
  if (error.why) lines.push(`  why:  ${error.why}`);
  if (error.fix) lines.push(`  fix:  ${error.fix}`);
  lines.push(`  code: ${error.code}`);
  return lines.join('\n');
}
