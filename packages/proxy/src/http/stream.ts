// The two ends of one request, as the exchange and the router see them. HTTP/1.1 implements both; another version of HTTP
// implements the same four interfaces and nothing above changes.

import type { Connection } from '../io/connection.ts';
import type { Head } from './head.ts';

/** Downstream end: how an answer is written. */
export interface ServerStream {
  /** Head, and the part of the body that is at hand. `end`: nothing follows. */
  sendHead(head: Head, first: Buffer | undefined, end: boolean): void;
  /** A 1xx other than 101, with the lines of `head`. */
  sendInformational(status: number, head: Head | undefined): void;
  /** Part of the body; `bytes` came from `source`, or need not be kept by it. False: wait for `onResponseDrain`. */
  sendData(bytes: Buffer, source: Connection | undefined): boolean;
  /** `trailers` are dropped where the protocol or its settings have no place for them. */
  sendEnd(trailers: Head | undefined): void;
  /** After a 101 or a successful CONNECT head was sent: bytes pass both ways untouched. */
  startTunnel(): void;
  /** Breaks the message off so that the client cannot take it for complete. */
  reset(): void;
  /** The connection will not serve another request. */
  closeAfterResponse(): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

/** What a downstream codec tells the exchange. */
export interface ServerStreamHandler {
  onRequestData(bytes: Buffer, source: Connection): void;
  onRequestEnd(trailers: Head | undefined): void;
  onResponseDrain(): void;
  /** The client went away, or broke the protocol, before the response was complete. */
  onDownstreamReset(details: string): void;
  /** The response was handed to the connection completely and the request, too, has ended: last call. */
  onComplete(): void;
}

/** Why an upstream stream ended before its response did: Envoy's words, as they stand in bodies and details. */
export type ResetReason =
  | 'local reset'
  | 'remote reset'
  | 'remote refused stream reset'
  | 'overflow'
  | 'local connection failure'
  | 'remote connection failure'
  | 'connection timeout'
  | 'connection termination'
  | 'protocol error';

/** Request line of what goes upstream. */
export type RequestLine = { readonly method: string; readonly path: string; readonly scheme?: string };

/** What is at hand of a request's body. */
export type RequestBody = { readonly first: Buffer | undefined; readonly end: boolean; readonly tunnel?: boolean };

/** Upstream end: one request on one connection. */
export interface ClientStream {
  readonly connection: Connection;
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** Whether earlier requests used the connection. */
  readonly isReused: boolean;
  /** Anything of the response has arrived. */
  readonly responseStarted: boolean;
  /** Who hears of the response. Comes before everything else, once. */
  attach(handler: ClientStreamHandler): void;
  /** `tunnel`: no body follows, what comes later is for the tunnel. */
  sendHead(line: RequestLine, head: Head, upgrade: string, body: RequestBody): void;
  sendData(bytes: Buffer, source: Connection | undefined): boolean;
  sendEnd(trailers: Head | undefined): void;
  /** Abandons the request. The handler hears nothing more. */
  cancel(): void;
  pauseResponse(): void;
  resumeResponse(): void;
}

export interface ClientStreamHandler {
  onResponseHead(head: Head, first: Buffer | undefined, end: boolean): void;
  onInformational(head: Head): void;
  /** 101, or 2xx to CONNECT: from here `onResponseData` carries the tunnel. */
  onUpgraded(head: Head): void;
  onResponseData(bytes: Buffer, source: Connection): void;
  onResponseEnd(trailers: Head | undefined): void;
  onRequestDrain(): void;
  /** Last call when the response is not complete. `hadResponseBytes`: something of a response had arrived. */
  onUpstreamReset(reason: ResetReason, detail: string): void;
}
