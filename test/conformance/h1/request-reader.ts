// What an upstream reads, by a parser of its own that knows only the canonical form: anything else in the proxy's output is a violation.

export type SeenRequest = {
  method: string;
  target: string;
  /** In order, names as received. */
  headers: [name: string, value: string][];
  framing: 'none' | 'length' | 'chunked';
  body: string;
  trailers: [name: string, value: string][];
  /** The head as received. */
  raw: string;
};

export type Reading =
  | { kind: 'request'; request: SeenRequest; end: number }
  /** `head`: it is complete and only the body is missing. */
  | { kind: 'incomplete'; head: SeenRequest | undefined }
  | { kind: 'violation'; what: string };

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP\/1\.1$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9a-z]+): ((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)$/;

const violation = (what: string, text: string): Reading => ({ kind: 'violation', what: `${what}: ${JSON.stringify(text.slice(0, 300))}` });

/** Reads one request at `at`. */
export function readRequest(text: string, at: number): Reading {
  const headEnd = text.indexOf('\r\n\r\n', at);
  if (headEnd < 0) return { kind: 'incomplete', head: undefined };
  const raw = text.slice(at, headEnd + 4);
  const [first = '', ...lines] = text.slice(at, headEnd).split('\r\n');
  const start = REQUEST_LINE.exec(first);
  if (!start) return violation('request line', first);
  const headers = fieldsOf(lines);
  if (!headers) return violation('header line', raw);
  const all = (name: string) => headers.filter(([key]) => key === name).map(([, value]) => value);
  if (all('host').length !== 1) return violation('host', raw);
  const lengths = all('content-length');
  const codings = all('transfer-encoding');
  if (lengths.length + codings.length > 1) return violation('framing', raw);
  const request: SeenRequest = { method: start[1]!, target: start[2]!, headers, framing: 'none', body: '', trailers: [], raw };
  if (codings.length === 1) {
    if (codings[0] !== 'chunked') return violation('coding', raw);
    request.framing = 'chunked';
    return readChunks(text, headEnd + 4, request);
  }
  if (lengths.length === 0) return { kind: 'request', request, end: headEnd + 4 };
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(lengths[0]!)) return violation('length', raw);
  request.framing = 'length';
  const end = headEnd + 4 + Number(lengths[0]);
  if (text.length < end) return { kind: 'incomplete', head: request };
  request.body = text.slice(headEnd + 4, end);
  return { kind: 'request', request, end };
}

function fieldsOf(lines: readonly string[]): [string, string][] | undefined {
  const fields: [string, string][] = [];
  for (const line of lines) {
    const field = FIELD_LINE.exec(line);
    if (!field) return undefined;
    fields.push([field[1]!, field[2]!]);
  }
  return fields;
}

function readChunks(text: string, from: number, request: SeenRequest): Reading {
  let at = from;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return { kind: 'incomplete', head: request };
    const line = text.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) return violation('chunk size', line);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) return readTrailers(text, at, request);
    if (text.length < at + size + 2) return { kind: 'incomplete', head: request };
    if (text.slice(at + size, at + size + 2) !== '\r\n') return violation('chunk end', text.slice(at));
    request.body += text.slice(at, at + size);
    at += size + 2;
  }
}

function readTrailers(text: string, at: number, request: SeenRequest): Reading {
  if (text.startsWith('\r\n', at)) return { kind: 'request', request, end: at + 2 };
  const end = text.indexOf('\r\n\r\n', at);
  if (end < 0) return { kind: 'incomplete', head: request };
  const trailers = fieldsOf(text.slice(at, end).split('\r\n'));
  if (!trailers) return violation('trailers', text.slice(at, end));
  request.trailers = trailers;
  return { kind: 'request', request, end: end + 4 };
}
