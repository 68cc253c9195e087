// Messages between the node process and its parent. Sockets and servers travel beside them as handles.

import type { SocketAddress } from '@lateen/base';

export type HostRequest =
  | { kind: 'listen'; id: number; address: SocketAddress }
  | { kind: 'dial'; id: number; address: SocketAddress }
  | { kind: 'lookup'; id: number; name: string }
  /** `message` is base64. */
  | { kind: 'query'; id: number; message: string }
  | { kind: 'report'; value: unknown }
  /** Process groups to kill when the node process ends. */
  | { kind: 'adopt' | 'release'; pid: number };

export type HostReply =
  | { kind: 'reply'; id: number; result?: string | string[] }
  | { kind: 'failed'; id: number; code: string | undefined; message: string }
  /** A connection that arrived on listener `id` before its handle had changed hands. */
  | { kind: 'accepted'; id: number }
  | { kind: 'stop' };
