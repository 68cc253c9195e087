// Who a request comes from: the connection, x-forwarded-for, or what the connection manager's detection extensions say.

import { parseIp } from '@lateen/base';
import type { HcmRuntime } from '../runtime/model.ts';
import type { Head } from './head.ts';

export type DetectedClient = {
  /** "ip:0"; undefined: nothing was found out. */
  readonly address: string | undefined;
  /** The address may make a request internal. */
  readonly isTrusted: boolean;
  /** Status to answer at once. */
  readonly rejectStatus: number | undefined;
};

const NOBODY: DetectedClient = { address: undefined, isTrusted: false, rejectStatus: undefined };

/** Asks the extensions in order; the first that knows, or refuses, decides. */
export function detectClient(head: Head, extensions: HcmRuntime['ipDetection']): DetectedClient {
  for (const extension of extensions) {
    if (extension.kind === 'xff') {
      const list = head.value('x-forwarded-for');
      const address = list === undefined ? undefined : addressFromRight(list, extension.trustedHops);
      if (address !== undefined) return { address, isTrusted: !list?.includes(','), rejectStatus: undefined };
      continue;
    }
    const address = addressOf(head.value(extension.headerName));
    if (address !== undefined) return { address, isTrusted: extension.isTrusted, rejectStatus: undefined };
    if (extension.rejectStatus !== undefined) return { ...NOBODY, rejectStatus: extension.rejectStatus };
  }
  return NOBODY;
}

/** The entry `skip` places from the right end of x-forwarded-for, as "ip:0". */
export function addressFromRight(list: string, skip: number): string | undefined {
  const entries = list.split(',');
  return addressOf(entries[entries.length - 1 - skip]?.trim());
}

function addressOf(text: string | undefined): string | undefined {
  if (text === undefined || !parseIp(text)) return undefined;
  return text.includes(':') ? `[${text}]:0` : `${text}:0`;
}
