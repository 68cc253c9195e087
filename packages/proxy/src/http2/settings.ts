// SETTINGS (RFC 9113 6.5): reading a peer's, and which ones we send.

import type { Http2Settings } from '../runtime/model.ts';
import * as f from './frames.ts';

export type SettingsFault = { readonly code: number; readonly why: string };

const fault = (code: number, why: string): SettingsFault => ({ code, why });

/** Hands every known setting to `apply`, in order; stops at the first fault. */
export function readSettings(
  bytes: Buffer,
  start: number,
  end: number,
  apply: (id: number, value: number) => SettingsFault | undefined,
): SettingsFault | undefined {
  for (let at = start; at < end; at += 6) {
    const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    const value = f.readUint32(bytes, at + 2);
    const bad = checkSetting(id, value) ?? apply(id, value);
    if (bad) return bad;
  }
  return undefined;
}

function checkSetting(id: number, value: number): SettingsFault | undefined {
  if (id === f.ENABLE_PUSH && value > 1) return fault(f.PROTOCOL_ERROR, 'ENABLE_PUSH');
  if (id === f.ENABLE_CONNECT_PROTOCOL && value > 1) return fault(f.PROTOCOL_ERROR, 'ENABLE_CONNECT_PROTOCOL');
  if (id === f.INITIAL_WINDOW_SIZE && value > f.MAX_WINDOW_BYTES) return fault(f.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE');
  const badFrameSize = id === f.MAX_FRAME_SIZE && (value < f.DEFAULT_FRAME_BYTES || value > 0xff_ffff);
  return badFrameSize ? fault(f.PROTOCOL_ERROR, 'MAX_FRAME_SIZE') : undefined;
}

/** What a server tells its client. */
export function serverSettings(settings: Http2Settings): readonly (readonly [number, number])[] {
  const entries = commonSettings(settings);
  entries.push([f.MAX_CONCURRENT_STREAMS, settings.maxConcurrentStreams]);
  if (settings.allowConnect) entries.push([f.ENABLE_CONNECT_PROTOCOL, 1]);
  return entries;
}

/** What a client tells its server: no pushes, no streams of the server's. */
export function clientSettings(settings: Http2Settings): readonly (readonly [number, number])[] {
  return [[f.ENABLE_PUSH, 0], [f.MAX_CONCURRENT_STREAMS, 0], ...commonSettings(settings)];
}

function commonSettings(settings: Http2Settings): [number, number][] {
  const entries: [number, number][] = [[f.INITIAL_WINDOW_SIZE, settings.initialStreamWindowBytes]];
  if (settings.hpackTableBytes !== f.DEFAULT_TABLE_BYTES) entries.push([f.HEADER_TABLE_SIZE, settings.hpackTableBytes]);
  return entries;
}
