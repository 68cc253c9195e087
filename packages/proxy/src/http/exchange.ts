// One request and its answer on their way. `respond` is the only place that invents an answer, `finish` the only place that reports
// one.

import type { Connection } from '../io/connection.ts';
import type { RouteDecision, RuntimeKeys } from '../runtime/model.ts';
import type { HcmContext } from './context.ts';
import { ExchangeFacts } from './exchange-facts.ts';
import { prepareRequestHeaders } from './forwarding-headers.ts';
import type { Head } from './head.ts';
import type { RequestTexts } from './head-memory.ts';
import type { HeadFault } from './head-parser.ts';
import { recycleResponseHead } from './head-pool.ts';
import { applyHeaderMutations } from './header-mutations.ts';
import { httpDate } from './http-date.ts';
import type { Refusal } from './http1-server-host.ts';
import { knownId } from './known-headers.ts';
import { composeLocalReply, type LocalReply } from './local-reply.ts';
import { METHODS, methodOf } from './request-method.ts';
import type { ResponseFlag } from './request-record.ts';
import { NO_PATH, readTarget } from './request-target.ts';
import type { ConnectionInfo } from './request-view.ts';
import { reasonOf } from './status-lines.ts';
import type { ServerStream, ServerStreamHandler } from './stream.ts';

const DATE = knownId('date');
const EXPECT = knownId('expect');
const FORCE_TRACE = knownId('x-envoy-force-trace');
const SERVER = knownId('server');

/** What forwards the request: the router, once it has begun. */
export interface Forwarder {
  /** `bytes` came from `source`, or are lasting. */
  onRequestData(bytes: Buffer, source: Connection | undefined): void;
  onRequestEnd(trailers: Head | undefined): void;
  onResponseDrain(): void;
  /** The client is gone or has been answered otherwise: let go of everything. */
  cancel(): void;
}

/** What reads a request's body as it passes, without holding it. Taps run in the order of their filters. */
export interface RequestTap {
  onRequestData?(bytes: Buffer): void;
  /** Gives what goes on instead, in memory of its own; empty: nothing yet. undefined: the request has been answered. */
  transform?(bytes: Buffer): Buffer | undefined;
  /** `trailers` may be edited. */
  onRequestEnd?(trailers: Head | undefined): void;
}

/** Well-formed requests that make no sense: Envoy flags only what its codec refuses. */
const FAULTS_OF_SENSE: ReadonlySet<string> = new Set(['path_normalization_failed', 'missing_host_header']);
/** Of the fields behind a body; everything else that is wrong with one is a bad request. */
const TOO_LARGE: ReadonlySet<string> = new Set(['http1.headers_too_large', 'http1.too_many_headers']);
const HOLD_LIMIT_BYTES = 64 * 1024;
const NOTHING: readonly Buffer[] = [];
const NO_BYTES = Buffer.alloc(0);
const PROTOCOL_ERRORS = /^(?:http2\.(?:violation|invalid|inbound)|codec_error)/;

/** Envoy: what broke the protocol, a stream that was reset, a client that left. */
const resetFlagOf = (details: string): ResponseFlag => (PROTOCOL_ERRORS.test(details) ? 'DPE' : details.startsWith('http2.') ? 'DR' : 'DC');

export class Exchange extends ExchangeFacts implements ServerStreamHandler {
  /** Filters that shape or read the answer's body put themselves in front of it. */
  stream: ServerStream;
  forwarder: Forwarder | undefined;
  /** Body at hand before a forwarder took it. */
  first: Buffer | undefined;
  requestEnded = false;
  private filterIndex = 0;
  private filterOwn: Map<string, unknown> | undefined;
  /** Read the request's body as it passes; `addRequestTap` adds one. */
  private requestTaps: RequestTap[] | undefined;
  /** How much of a body is held while a filter has stopped the request before the client is slowed down. */
  holdLimitBytes = HOLD_LIMIT_BYTES;
  private heldData: Buffer[] | undefined;
  private heldBytes = 0;
  private finished = false;

  constructor(context: HcmContext, connection: ConnectionInfo, stream: ServerStream, head: Head) {
    super(context, connection, head);
    this.stream = stream;
  }

  // --- the request's way in

  /** Runs the request: refusal, filters, forwarding. `first` is valid during the call. */
  begin(upgrade: string, first: Buffer | undefined, end: boolean): void {
    const { head, context } = this;
    const memory = head.textMemory;
    const known = memory?.texts;
    this.method = known ? known.method : methodOf(head);
    this.requestEnded = end;
    if (first) this.bytesReceived = first.length;
    if (end) this.requestDurationMs = this.elapsedMs();
    context.observer.requestStarted();
    if (known && known.rules === context.hcm && known.localPort === this.connection.localPort) {
      this.path = this.originalPath = known.path;
      this.authority = known.authority;
    } else if (!this.readStart(memory)) return;
    if (context.hcm.earlyHeaderMutations.length > 0) applyHeaderMutations(head, context.hcm.earlyHeaderMutations, this);
    prepareRequestHeaders(head, context, this.connection, this);
    if (this.rejectStatus !== undefined) {
      return this.respond({ status: this.rejectStatus, details: 'rejecting_because_detection_failed' });
    }
    const { underscoresInHeaders } = context.hcm;
    if (underscoresInHeaders !== 'allow' && !this.acceptUnderscores(underscoresInHeaders === 'drop_header')) return;
    if (upgrade !== '' && upgrade !== 'h2c') this.upgrade = upgrade;
    if (upgrade === 'h2c') head.remove('http2-settings');
    // What follows a refused CONNECT was meant for somebody else.
    if (this.method === 'CONNECT') this.stream.closeAfterResponse();
    if (head.hasKnown(EXPECT, 'expect')) this.handleExpect(end);
    this.first = first;
    this.continueRequest();
    const left = this.first;
    this.first = undefined;
    // A filter stopped the request: what has come of the body must outlive this call.
    if (left && !this.forwarder && !this.responseHead) this.holdRequestData(Buffer.from(left));
  }

  /** Method, path and authority; false when the request was answered instead. */
  private readStart(memory: { texts: RequestTexts | undefined } | undefined): boolean {
    const { head, context } = this;
    const { hcm } = context;
    if (head.version < 11 && !hcm.http1.acceptHttp10) {
      this.refuse({ status: 426, body: 'Upgrade Required', details: 'low_version' });
      return false;
    }
    if (head.version < 20 && !METHODS.has(this.method) && !hcm.http1.allowCustomMethods) {
      this.refuse({ status: 400, body: 'Bad Request', details: 'http1.codec_error' });
      return false;
    }
    const { localPort } = this.connection;
    const target = readTarget(head, this.method, context, localPort);
    if (target === NO_PATH) {
      this.path = this.originalPath = head.text(head.targetStart, head.targetEnd);
      this.respond(target);
      return false;
    }
    if (target.kind === 'refused') {
      const body = target.details.startsWith('http') ? 'Bad Request' : '';
      this.refuse({ status: target.status, body, details: target.details });
      return false;
    }
    const { path, authority } = target;
    this.path = this.originalPath = path;
    this.authority = authority;
    if (this.method === 'QUERY' && !head.value('content-type')) {
      this.respond({ status: 400, details: 'query_missing_content_type' });
      return false;
    }
    if (target.kind === 'redirect') {
      prepareRequestHeaders(head, context, this.connection, this);
      this.respond({ status: 307, details: 'path_normalization_failed', headers: [['location', path]] });
      return false;
    }
    // An added line is a Host that had to be rewritten, which the same head would need again.
    if (memory && head.addedCount === 0) memory.texts = { method: this.method, path, authority, rules: hcm, localPort };
    return true;
  }

  private acceptUnderscores(drop: boolean): boolean {
    const { head, context } = this;
    const names: string[] = [];
    head.forEach((name) => {
      if (name.includes('_')) names.push(name);
    });
    if (names.length === 0) return true;
    const codec = head.version === 20 ? 'http2' : 'http1';
    if (drop) {
      for (const name of names) head.remove(name);
      context.observer.count?.(`${codec}.dropped_headers_with_underscores`, names.length);
      return true;
    }
    context.observer.count?.(`${codec}.requests_rejected_with_underscores_in_headers`);
    const details = `${codec}.unexpected_underscore`;
    if (codec === 'http2') this.abort('DR', details);
    else {
      this.stream.closeAfterResponse();
      this.respond({ status: 400, body: 'Bad Request', details, flag: 'DPE' });
    }
    return false;
  }

  /** Other expectations are for the upstream to refuse; several lines become one, as Envoy's, since nginx takes no second. */
  private handleExpect(end: boolean): void {
    const { head } = this;
    const value = head.value('expect') ?? '';
    if (value.includes(',')) head.set('expect', value);
    if (value.toLowerCase() !== '100-continue' || this.context.hcm.proxy100Continue) return;
    head.remove('expect');
    if (!end) this.stream.sendInformational(100, undefined);
  }

  /** Answers a request that is not to be understood; what follows on the connection mostly cannot be, either. */
  private refuse(reply: LocalReply): void {
    const { head } = this;
    if (this.path === '') this.path = this.originalPath = head.text(head.targetStart, head.targetEnd);
    if (FAULTS_OF_SENSE.has(reply.details)) return this.respond(reply);
    this.stream.closeAfterResponse();
    this.respond({ ...reply, flag: 'DPE' });
  }

  /** Goes on with the next filter; called by a filter that had stopped the request. */
  continueRequest(): void {
    const { filters } = this.context;
    while (this.filterIndex < filters.length) {
      const filter = filters[this.filterIndex++]!;
      if (filter.onRequest?.(this) === 'stop') return;
      if (this.responseHead || this.finished) return;
    }
  }

  /** The route, decided at the first question. */
  route(): RouteDecision {
    if (!this.decision) {
      const { hcm, proxy } = this.context;
      const table = hcm.routes.kind === 'inline' ? hcm.routes.table : proxy.runtime().routes.get(hcm.routes.name);
      this.decision = table?.match(this, proxy.random) ?? NO_TABLE;
    }
    return this.decision;
  }

  getState<T>(key: string): T | undefined {
    return this.filterOwn?.get(key) as T | undefined;
  }

  setState(key: string, value: unknown): void {
    this.filterOwn ??= new Map();
    this.filterOwn.set(key, value);
  }

  /** A value that a filter of this request or of its connection stored. */
  filterStateText(key: string): string | undefined {
    return this.filterState?.get(key) ?? this.connection.filterState?.get(key);
  }

  get runtimeKeys(): RuntimeKeys | undefined {
    return this.context.proxy.runtimeKeys;
  }

  /** To be called by a filter while it looks at the head; `first` is the filter's own to read. What is at hand of the body is transformed. */
  addRequestTap(tap: RequestTap): void {
    this.requestTaps ??= [];
    this.requestTaps.push(tap);
    if (!tap.transform) return;
    for (const [i, piece] of this.heldData?.entries() ?? []) (this.heldData as Buffer[])[i] = tap.transform(piece) ?? NO_BYTES;
    if (this.first) this.first = tap.transform(this.first);
    if (this.first?.length === 0) this.first = undefined;
  }

  // --- what the codec says

  onRequestData(bytes: Buffer, source: Connection): void {
    this.bytesReceived += bytes.length;
    if (this.requestTaps) return this.onTappedData(bytes, source);
    if (this.forwarder) this.forwarder.onRequestData(bytes, source);
    else if (!this.responseHead) this.holdRequestData(source.keep(bytes));
  }

  private onTappedData(bytes: Buffer, source: Connection): void {
    let left: Buffer | undefined = bytes;
    for (const tap of this.requestTaps ?? []) {
      tap.onRequestData?.(left);
      if (tap.transform) left = tap.transform(left);
      if (!left || left.length === 0) return;
    }
    if (this.forwarder) this.forwarder.onRequestData(left, left === bytes ? source : undefined);
    else if (!this.responseHead) this.holdRequestData(left === bytes ? source.keep(bytes) : left);
  }

  private holdRequestData(bytes: Buffer): void {
    this.heldData ??= [];
    this.heldData.push(bytes);
    this.heldBytes += bytes.length;
    if (this.heldBytes > this.holdLimitBytes) this.stream.pauseRequest();
  }

  /** What arrived of the body while filters had stopped the request; the forwarder takes it once. */
  takeHeldData(): readonly Buffer[] {
    const held = this.heldData ?? NOTHING;
    if (held.length > 0) {
      this.heldData = undefined;
      if (this.heldBytes > this.holdLimitBytes) this.stream.resumeRequest();
      this.heldBytes = 0;
    }
    return held;
  }

  onRequestEnd(trailers: Head | undefined): void {
    this.requestEnded = true;
    this.requestTrailers = trailers;
    this.requestDurationMs = this.elapsedMs();
    // A tap may let the request go on, and whoever forwards it then knows that it has ended; or answer it.
    const { forwarder } = this;
    if (this.requestTaps) for (const tap of this.requestTaps) tap.onRequestEnd?.(trailers);
    if (forwarder === this.forwarder) forwarder?.onRequestEnd(trailers);
  }

  onResponseDrain(): void {
    this.forwarder?.onResponseDrain();
  }

  onDownstreamReset(details: string): void {
    if (this.finished) return;
    const isBroken = details.startsWith('http1.');
    if (isBroken && !this.responseHead) {
      this.cancelForwarding();
      this.stream.closeAfterResponse();
      const status = TOO_LARGE.has(details) ? 431 : 400;
      return this.respond({ status, body: reasonOf(status), details, flag: 'DPE' });
    }
    this.addFlag(isBroken ? 'DPE' : resetFlagOf(details));
    this.responseCodeDetails = details;
    this.cancelForwarding();
    if (isBroken) this.stream.reset();
    this.finish();
  }

  onComplete(): void {
    this.finish();
    if (this.responseHead) recycleResponseHead(this.responseHead);
  }

  // --- the answer's way out

  /** Answers without an upstream: the only place that invents a response. */
  respond(reply: LocalReply): void {
    if (this.responseHead || this.finished) return;
    this.cancelForwarding();
    if (reply.flag) this.addFlag(reply.flag);
    this.responseCodeDetails = reply.details;
    // As Envoy: who sends nonsense once is not trusted with the framing of the next request.
    if (reply.status === 400 && this.head.version < 20 && !this.context.hcm.http1.staysAfterBadRequest) this.stream.closeAfterResponse();
    const { head, body } = composeLocalReply(this, reply);
    this.sendResponse(head, body.length > 0 && this.method !== 'HEAD' ? body : undefined, true);
  }

  /** Sends a response head through the filters to the client. `first` is valid during the call. */
  sendResponse(head: Head, first: Buffer | undefined, end: boolean): void {
    const { context } = this;
    const { hcm, filters } = context;
    for (let i = Math.min(this.filterIndex, filters.length) - 1; i >= 0; i--) filters[i]!.onResponse?.(this, head);
    this.responseHead = head;
    this.responseCode = head.status;
    this.completeResponseHead(head);
    if (hcm.via !== '') head.set('via', head.has('via') ? `${head.value('via')}, ${hcm.via}` : hcm.via);
    if (hcm.alwaysSetRequestIdInResponse || (this.head.hasEnvoyHeaders && this.head.known(FORCE_TRACE) >= 0)) {
      const id = this.head.value('x-request-id');
      if (id !== undefined) head.set('x-request-id', id);
    }
    if (context.isDraining()) {
      if (this.head.version < 20) context.observer.countConnection?.('drain_close');
      this.stream.closeAfterResponse();
    }
    if (first) this.bytesSent += first.length;
    this.stream.sendHead(head, first, end);
  }

  private completeResponseHead(head: Head): void {
    const { hcm } = this.context;
    if (head.known(DATE) < 0) head.add('date', httpDate(this.startTimeMs));
    if (hcm.serverHeader === 'overwrite') {
      head.removeKnown(SERVER, 'server');
      head.add('server', hcm.serverName);
    } else if (hcm.serverHeader === 'append_if_absent' && !head.hasKnown(SERVER, 'server')) head.add('server', hcm.serverName);
  }

  sendResponseData(bytes: Buffer, source: Connection): boolean {
    this.bytesSent += bytes.length;
    return this.stream.sendData(bytes, source);
  }

  sendResponseEnd(trailers: Head | undefined): void {
    this.responseTrailers = trailers;
    this.stream.sendEnd(trailers);
  }

  /** The codec answered a request that never became one. */
  refusedByCodec(status: number, details: string): void {
    this.responseCode = status;
    this.responseCodeDetails = details;
    this.addFlag(status === 0 ? resetFlagOf(details) : 'DPE');
    this.context.observer.requestStarted();
    this.finish();
  }

  /** What HTTP/1.1 answers to what never became a request. */
  refuseUnread({ status, details, body: text = reasonOf(status) }: HeadFault): Refusal {
    if (status !== 408) this.addFlag('DPE');
    else if (details === 'stream_idle_timeout') this.addFlag('SI');
    this.responseCodeDetails = details;
    const { head, body } = composeLocalReply(this, { status, body: text, details });
    head.remove('content-length');
    this.completeResponseHead(head);
    let lines = '';
    head.forEach((name, value) => {
      lines += `${name}: ${value}\r\n`;
    });
    this.responseHead = head;
    this.responseCode = head.status;
    this.bytesSent = body.length;
    this.context.observer.requestStarted();
    this.finish();
    return { status: head.status, lines, body };
  }

  /** The response cannot be completed: breaks the connection off. */
  abort(flag: ResponseFlag | undefined, details: string): void {
    if (flag) this.addFlag(flag);
    this.responseCodeDetails = details;
    this.cancelForwarding();
    this.stream.reset();
    this.finish();
  }

  private cancelForwarding(): void {
    const { forwarder } = this;
    this.forwarder = undefined;
    forwarder?.cancel();
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.durationMs = this.elapsedMs();
    for (let i = Math.min(this.filterIndex, this.context.filters.length) - 1; i >= 0; i--) this.context.filters[i]!.onDestroy?.(this);
    this.cancelForwarding();
    this.context.observer.finish(this);
  }

  get isFinished(): boolean {
    return this.finished;
  }
}

const NO_TABLE: RouteDecision = { kind: 'not_found', reason: 'no_virtual_host', virtualHost: undefined, route: undefined };
