// Plain HTTP requests of tests: one connection each, so that balancing is seen as a new client sees it.

import { type IncomingHttpHeaders, request } from 'node:http';

export type HttpAnswer = { status: number; headers: IncomingHttpHeaders; body: string };
export type HttpOptions = {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  timeoutMs?: number;
  /** Sent as it stands instead of the URL's path, which would be normalised. */
  rawPath?: string;
};

/** Rejects on connection errors and after `timeoutMs` (default 10 s). */
export function httpRequest(url: string, options: HttpOptions = {}): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body, timeoutMs = 10_000, rawPath } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { method, headers, agent: false, signal: AbortSignal.timeout(timeoutMs), ...(rawPath ? { path: rawPath } : {}) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export type LoadReport = { sent: number; failures: string[] };

/** Requests at a steady rate until `stop()` is called; anything but 200 is a failure, told with its times. Bounded to 10 minutes. */
export function startLoad(url: string, options: { perSecond: number; headers?: Record<string, string> }): { stop(): Promise<LoadReport> } {
  const report: LoadReport = { sent: 0, failures: [] };
  const pending = new Set<Promise<void>>();
  const send = () => {
    const number = ++report.sent;
    const startedMs = Date.now();
    const fail = (what: string) =>
      void report.failures.push(`#${number} at ${new Date(startedMs).toISOString()}, ${Date.now() - startedMs} ms: ${what}`);
    const one = httpRequest(url, options.headers ? { headers: options.headers } : {}).then(
      ({ status, body }) => {
        if (status !== 200) fail(`${status} ${body.slice(0, 200)}`);
      },
      (error: Error) => fail(error.message),
    );
    pending.add(one);
    void one.finally(() => pending.delete(one));
  };
  const timer = setInterval(send, 1000 / options.perSecond);
  const limit = setTimeout(() => clearInterval(timer), 600_000);
  return {
    async stop() {
      clearInterval(timer);
      clearTimeout(limit);
      await Promise.all(pending);
      return report;
    },
  };
}
