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
  /** The peer's address is to be told on. */
  readonly appendsPeer: boolean;
};

const NOBODY: DetectedClient = { address: undefined, isTrusted: false, rejectStatus: undefined, appendsPeer: false };

/** Asks the extensions in order; the first that knows, or refuses, decides. */
export function detectClient(head: Head, extensions: HcmRuntime['ipDetection'], peerIp: string): DetectedClient {
  let appendsPeer = false;
  for (const extension of extensions) {
    if (extension.kind === 'xff') {
      const list = head.value('x-forwarded-for');
      const { trustedHops, isTrustedProxy } = extension;
      const isStranger = isTrustedProxy !== undefined && !isTrustedProxy(peerIp);
      // As Envoy: who is no proxy of ours is told on as the client, whatever the configuration says.
      appendsPeer ||= extension.appendsPeer || isStranger;
      if (list === undefined || isStranger) continue;
      const address = isTrustedProxy ? lastUntrusted(list, isTrustedProxy) : addressFromRight(list, trustedHops);
      if (address !== undefined) return { ...NOBODY, address, isTrusted: !list.includes(','), appendsPeer };
      continue;
    }
    const address = addressOf(head.value(extension.headerName));
    if (address !== undefined) return { ...NOBODY, address, isTrusted: extension.isTrusted, appendsPeer };
    if (extension.rejectStatus !== undefined) return { ...NOBODY, rejectStatus: extension.rejectStatus };
  }
  return { ...NOBODY, appendsPeer };
}

/** The entry `skip` places from the right end of x-forwarded-for, as "ip:0". */
export function addressFromRight(list: string, skip: number): string | undefined {
  const entries = list.split(',');
  return addressOf(entries[entries.length - 1 - skip]?.trim());
}

/** From the right, the first address that is no trusted proxy; the leftmost where all are. */
function lastUntrusted(list: string, isTrustedProxy: (ip: string) => boolean): string | undefined {
  let address: string | undefined;
  for (const entry of list.split(',').reverse()) {
    const ip = entry.trim();
    address = addressOf(ip);
    if (address === undefined || !isTrustedProxy(ip)) return address;
  }
  return address;
}

function addressOf(text: string | undefined): string | undefined {
  if (text === undefined || !parseIp(text)) return undefined;
  return text.includes(':') ? `[${text}]:0` : `${text}:0`;
}
