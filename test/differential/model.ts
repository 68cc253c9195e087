// The tables of the differential test: what the proxies are configured with, what they are asked, and what is compared.

/** Client to proxy, proxy to upstream. */
export type Leg = 'h1-h1' | 'h2-h1' | 'h1-h2' | 'h2-h2';
export const LEGS: readonly Leg[] = ['h1-h1', 'h2-h1', 'h1-h2', 'h2-h2'];

/** One listener with one HTTP connection manager, and what is asked of it. JSON in Envoy's snake_case. */
export type Scene = {
  /** Unique in all tables. */
  name: string;
  /** Of the one virtual host `all` with domain `*`. */
  routes?: readonly object[];
  /** Instead of `routes`. */
  virtualHosts?: readonly object[];
  /** Further fields of the RouteConfiguration. */
  routeConfig?: object;
  /** Further fields of the HttpConnectionManager. */
  manager?: object;
  /** Before the router. */
  filters?: readonly object[];
  /** Beside the clusters `a`, `b` and `c`, which every scene has: name to fields. Names unique in a group. */
  clusters?: Record<string, object>;
  /** Runtime keys with values, for the whole group. */
  runtime?: object;
  cases: readonly Case[];
  /** Default: all four, less those that a case cannot have (see `legsOf`). */
  legs?: readonly Leg[];
  /** One request after the other, in order. Default: several at once. */
  isSequential?: boolean;
  /** Compares `written` of answers and of what upstreams saw. HTTP/1.1 only. */
  comparesLetters?: boolean;
  /** Which upstream sees a request first is left to chance: compared by upstream name. */
  sortsSeen?: boolean;
};

export type Case = {
  name: string;
  /** One, or several one after the other on the same connection. */
  request: Request | readonly Request[] | RawRequest;
  legs?: readonly Leg[];
  /** Chance decides what is logged: not compared. */
  logVaries?: boolean;
  /** Where Lateen answers something else on purpose. The pair does not count as equal. */
  differs?: string;
  /** Waits up to 1.3 s for the connection to end and compares whether it did. HTTP/1.1 to the proxy only. */
  seesClose?: boolean;
};

export type Request = {
  method?: string;
  path?: string;
  /** Default `example.test`. */
  host?: string;
  headers?: Headers;
  body?: string;
  /** Instead of `body`: chunked, or DATA frames without content-length. */
  chunks?: readonly string[];
  trailers?: Headers;
  /** What the upstream is to do. */
  upstream?: UpstreamOrder;
};

export type Headers = Record<string, string | readonly string[]>;

/** HTTP/1.1 bytes. `{tag}` stands for header lines that let the upstream and the log know the case, and hold its `upstream` order. */
export type RawRequest = {
  /** Sent 30 ms apart. */
  raw: readonly string[];
  /** Final answers to wait for. Default 1. */
  answers?: number;
  isHead?: boolean;
  upstream?: UpstreamOrder;
};

/** Where a list stands, an entry for each attempt; the last one stays. */
export type UpstreamOrder = {
  status?: number | readonly number[];
  headers?: Headers;
  /** Default "from NAME". */
  body?: string;
  isChunked?: boolean;
  trailers?: Headers;
  delayMs?: number | readonly number[];
  /** So many first attempts end without an answer. */
  resets?: number;
  /** Status codes of informational answers before the final one. */
  informational?: readonly number[];
  /** HTTP/1.1 upstream: exactly these bytes, then the end of the connection. */
  raw?: string;
  /** In `raw`, `{padding}` stands for so many letters. */
  padding?: number;
};

/** What a case led to, with everything volatile normalised. */
export type Outcome = {
  answers: Answer[];
  /** What the upstreams saw, in their order. */
  seen: Seen[];
  /** Only with `seesClose`. */
  closed?: boolean;
};

type Message = {
  headers: HeaderList;
  body: string;
  trailers?: HeaderList;
  /** Names of headers and trailers in the letters they came with, sorted. With `comparesLetters`. */
  written?: string[];
};
export type Answer = Message & { status: number; informational?: number[]; reset?: string /** With `comparesLetters`. */; reason?: string };
export type Seen = Message & { upstream: string; method: string; path: string };
/** Sorted by name; values of one name keep their order. */
export type HeaderList = [name: string, value: string][];

const HTTP1_ONLY = /^(?:connection|upgrade|te|keep-alive|proxy-connection|transfer-encoding|expect|http2-settings|host)$/i;

/** The legs that a case runs on. */
export function legsOf(scene: Scene, one: Case): readonly Leg[] {
  const asked = one.legs ?? scene.legs ?? LEGS;
  const { request } = one;
  const needsHttp1 =
    one.seesClose ||
    'raw' in request ||
    requestsOf(one).some(({ headers = {}, method }) => method === 'CONNECT' || Object.keys(headers).some((name) => HTTP1_ONLY.test(name)));
  const needsHttp1Upstream = [request].flat().some((each) => each.upstream?.raw !== undefined);
  return asked.filter((leg) => (!needsHttp1 || leg.startsWith('h1-')) && (!needsHttp1Upstream || leg.endsWith('-h1')));
}

/** The requests of a case that is not raw. */
export function requestsOf({ request }: Case): readonly Request[] {
  if ('raw' in request) return [];
  return Array.isArray(request) ? (request as readonly Request[]) : [request as Request];
}
