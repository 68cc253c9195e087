// The application's own metrics, fetched so that one scrape of the pod gives both.

import { request as httpRequest } from 'node:http';
import type { Transport } from '@lateen/base';

const MAX_BYTES = 10 * 1024 * 1024;
const TIMEOUT_MS = 10_000;

export type AppMetricsOptions = { port: number; path: string; transport: Transport };

/**
 * The application's exposition, ready to follow the proxy's. OpenMetrics loses its end mark, since it is not the end here.
 * Rejects when the application does not answer 200 within 10 s or says more than 10 MiB.
 */
export function fetchAppMetrics({ port, path, transport }: AppMetricsOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        path: path.startsWith('/') ? path : `/${path}`,
        headers: {
          host: `localhost:${port}`,
          connection: 'close',
          accept: 'text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5',
        },
        createConnection: () => transport.dial({ host: '127.0.0.1', port }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
      (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          return reject(new Error(`the application answered ${response.statusCode}`));
        }
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BYTES) request.destroy(new Error(`the application's metrics are larger than ${MAX_BYTES} bytes`));
          else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => resolve(withoutEnd(Buffer.concat(chunks).toString('utf8'))));
      },
    );
    request.on('error', reject);
    request.end();
  });
}

function withoutEnd(text: string): string {
  const body = text.replace(/# EOF\n?$/, '');
  return body === '' || body.endsWith('\n') ? body : `${body}\n`;
}
