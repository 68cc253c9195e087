import type { ExecResult } from '../../contracts.ts';

/** The Status that ends an exec or attach; kubectl takes its exit code from it. */
export function execStatus(result: ExecResult): Record<string, unknown> {
  if ('error' in result) return { metadata: {}, status: 'Failure', message: result.error, reason: 'InternalError', code: 500 };
  const { exitCode } = result;
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}
