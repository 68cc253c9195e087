// The listener filters: look at a connection's first bytes, without taking them, until the filter chain can be chosen. Only the
// PROXY protocol filter takes bytes: its header is not the connection's own.

import type { SocketAddress } from '@lateen/base';
import { type Connection, ignoring } from '../io/connection.ts';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';
import { type ProxyHeader, V2_FIXED_BYTES } from '../proxy-protocol/header.ts';
import { parseProxyHeader } from '../proxy-protocol/parse.ts';
import type { ListenerFilterRuntime, ListenerRuntime } from '../runtime/model.ts';
import { parseClientHello } from './client-hello.ts';
import type { Counters } from './counters.ts';
import { sniffHttp } from './http-sniff.ts';

export type Inspected = {
  serverName: string | undefined;
  transportProtocol: 'raw_buffer' | 'tls';
  applicationProtocols: readonly string[];
  /** What was read; it belongs to whoever serves the connection. */
  bytes: Buffer | undefined;
  /** The client said that it will send no more. */
  ended: boolean;
  /** With the TLVs that may go upstream. */
  proxyHeader: ProxyHeader | undefined;
  dynamicMetadata: Map<string, Record<string, string>> | undefined;
};

/** Why no filter chain is chosen. */
export type InspectionFailure = 'timeout' | 'remote_close' | 'refused';

export type InspectionServices = {
  readonly timeouts: Timeouts;
  readonly counters: Counters;
  /** Takes a token from the bucket of a rate limit filter. */
  takeToken(filter: Extract<ListenerFilterRuntime, { kind: 'local_rate_limit' }>): boolean;
};

/** The longest that a filter may need: a whole PROXY header of version 2. */
const MAX_BYTES = V2_FIXED_BYTES + 0xffff;

type Step = 'more' | 'next' | 'refuse';

/** Runs the filters that the listener has for this port, in order; `done` follows at once when none needs bytes. */
export function inspect(
  connection: Connection,
  listener: ListenerRuntime,
  services: InspectionServices,
  given: { readonly local: SocketAddress; readonly found?: Inspected | undefined; readonly onTimeout: () => void },
  done: (result: Inspected | InspectionFailure) => void,
): void {
  const { onTimeout } = given;
  const filters = listener.listenerFilters.filter((filter) => !filter.isDisabled(given.local.port));
  const result: Inspected = given.found ?? {
    serverName: undefined,
    transportProtocol: 'raw_buffer',
    applicationProtocols: [],
    bytes: undefined,
    ended: false,
    proxyHeader: undefined,
    dynamicMetadata: undefined,
  };
  let at = 0;
  const advance = (): Step => {
    while (at < filters.length) {
      const step = run(filters[at] as ListenerFilterRuntime, result, services);
      if (step !== 'next') return step;
      at++;
    }
    return 'next';
  };
  const first = advance();
  if (first === 'next') return done(result);
  if (first === 'refuse') return done('refused');
  const finish = (outcome: Inspected | InspectionFailure) => {
    timeout.cancel();
    // Whoever closes the connection now is not its client.
    connection.handler = ignoring;
    done(outcome);
  };
  const timeout = new Timeout(() => {
    onTimeout();
    finish(listener.continueOnListenerFiltersTimeout ? result : 'timeout');
  });
  if (listener.listenerFiltersTimeoutMs > 0) services.timeouts.arm(timeout, listener.listenerFiltersTimeoutMs);
  connection.handler = {
    onData(bytes) {
      result.bytes = result.bytes ? Buffer.concat([result.bytes, bytes]) : connection.keep(bytes);
      const step = advance();
      if (step === 'refuse') finish('refused');
      else if (step === 'next' || result.bytes.length > MAX_BYTES) finish(result);
    },
    onEnd() {
      result.ended = true;
      // Short messages of other protocols look unfinished to the HTTP inspector; a PROXY header and a ClientHello have to be whole.
      const isDecided = result.bytes !== undefined && filters[at]?.kind === 'http_inspector';
      finish(isDecided ? result : 'remote_close');
    },
    onDrain() {},
    onClose: () => finish('remote_close'),
  };
}

function run(filter: ListenerFilterRuntime, result: Inspected, services: InspectionServices): Step {
  switch (filter.kind) {
    case 'original_dst':
      return 'next';
    case 'local_rate_limit':
      return services.takeToken(filter) ? 'next' : 'refuse';
    case 'proxy_protocol':
      return readProxyHeader(filter, result, services.counters);
    case 'tls_inspector':
      return inspectTls(filter, result, services.counters);
    case 'http_inspector':
      return inspectHttp(result, services.counters);
  }
}

type ProxyProtocol = Extract<ListenerFilterRuntime, { kind: 'proxy_protocol' }>;

function readProxyHeader(filter: ProxyProtocol, result: Inspected, counters: Counters): Step {
  const prefix = `proxy_proto.${filter.statPrefix === '' ? '' : `${filter.statPrefix}.`}`;
  if (!result.bytes) return 'more';
  // A version that is not allowed is looked for all the same where every connection must have a header, to say so.
  const all = !filter.allowWithout;
  const parsed = parseProxyHeader(result.bytes, { v1: filter.v1 || all, v2: filter.v2 || all });
  switch (parsed.kind) {
    case 'more':
      return 'more';
    case 'none':
      counters.count(`${prefix}${filter.allowWithout ? 'not_found_allowed' : 'not_found_disallowed'}`);
      return filter.allowWithout ? 'next' : 'refuse';
    case 'error':
      counters.count(`${prefix}versions.v${parsed.version}.error`);
      return 'refuse';
    case 'header': {
      const { header, sizeBytes } = parsed;
      if (!(header.version === 1 ? filter.v1 : filter.v2)) {
        counters.count(`${prefix}versions.v${header.version}.disallowed`);
        return 'refuse';
      }
      counters.count(`${prefix}versions.v${header.version}.found`);
      result.bytes = sizeBytes < result.bytes.length ? result.bytes.subarray(sizeBytes) : undefined;
      result.proxyHeader = { ...header, tlvs: header.tlvs.filter(({ type }) => filter.passesTlv(type)) };
      result.dynamicMetadata = metadataOf(filter, header);
      return 'next';
    }
  }
}

function metadataOf({ rules }: ProxyProtocol, { tlvs }: ProxyHeader): Inspected['dynamicMetadata'] {
  if (rules.length === 0) return undefined;
  const metadata = new Map<string, Record<string, string>>();
  for (const rule of rules) {
    const tlv = tlvs.find(({ type }) => type === rule.type);
    if (!tlv) continue;
    const fields = metadata.get(rule.namespace) ?? (Object.create(null) as Record<string, string>);
    // Envoy's stand-in for what is no UTF-8.
    fields[rule.key] = tlv.value.toString('utf8').replaceAll('\ufffd', '!');
    metadata.set(rule.namespace, fields);
  }
  return metadata;
}

type TlsInspector = Extract<ListenerFilterRuntime, { kind: 'tls_inspector' }>;

function inspectTls(filter: TlsInspector, result: Inspected, counters: Counters): Step {
  if (!result.bytes) return 'more';
  const hello = parseClientHello(result.bytes, filter.maxHelloBytes);
  switch (hello.kind) {
    case 'more':
      return 'more';
    case 'too_large':
      counters.count('tls_inspector.client_hello_too_large');
      return 'refuse';
    case 'bad_version':
      counters.count('tls_inspector.tls_not_found');
      return 'refuse';
    case 'not_tls':
      counters.count('tls_inspector.tls_not_found');
      return filter.closesOthers ? 'refuse' : 'next';
    case 'hello':
  }
  const { serverName, applicationProtocols } = hello.hello;
  result.transportProtocol = 'tls';
  result.serverName = serverName === '' ? undefined : serverName;
  result.applicationProtocols = applicationProtocols;
  counters.count('tls_inspector.tls_found');
  counters.count(serverName === '' ? 'tls_inspector.sni_not_found' : 'tls_inspector.sni_found');
  counters.count(applicationProtocols.length === 0 ? 'tls_inspector.alpn_not_found' : 'tls_inspector.alpn_found');
  return 'next';
}

const HTTP_COUNTERS = { 'http/1.0': 'http10_found', 'http/1.1': 'http11_found', h2c: 'http2_found', other: 'http_not_found' } as const;

function inspectHttp(result: Inspected, counters: Counters): Step {
  if (result.transportProtocol === 'tls') return 'next';
  if (!result.bytes) return 'more';
  const http = sniffHttp(result.bytes);
  if (http === 'more') return 'more';
  if (http === 'too_long') {
    counters.count('http_inspector.read_error');
    return 'refuse';
  }
  counters.count(`http_inspector.${HTTP_COUNTERS[http]}`);
  if (http !== 'other') result.applicationProtocols = [http];
  return 'next';
}
