// Puts placeholders where two runs of the same program differ.

import type { Ports } from './bootstrap.ts';
import type { Answer, HeaderList, Seen } from './model.ts';

const VOLATILE: Record<string, [pattern: RegExp, placeholder: string]> = {
  date: [/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/, '<date>'],
  'x-request-id': [/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, '<uuid>'],
  'x-envoy-upstream-service-time': [/^\d+$/, '<ms>'],
};

export type Normalize = { text(text: string): string; answer(answer: Answer): Answer; seen(one: Seen): Seen };

/** With the ports of this run. */
export function createNormalize(ports: Ports): Normalize {
  const names = new Map<string, string>();
  for (const [name, port] of [...ports.upstreams, ...ports.listeners]) names.set(String(port), name);
  const text = (value: string) => value.replace(/\b127\.0\.0\.1:(\d+)/g, (_, port: string) => `127.0.0.1:<${names.get(port) ?? 'port'}>`);
  const list = (headers: HeaderList): HeaderList =>
    headers
      .map(([name, value]): [string, string] => {
        const volatile = Object.hasOwn(VOLATILE, name) ? VOLATILE[name] : undefined;
        return [name, volatile?.[0].test(value) ? volatile[1] : text(value)];
      })
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return {
    text,
    answer: (answer) => ({
      ...answer,
      headers: list(answer.headers),
      body: answer.body.length > 300 ? `${answer.body.length} bytes` : text(answer.body),
      ...(answer.trailers && { trailers: list(answer.trailers) }),
    }),
    seen: (one) => ({ ...one, path: text(one.path), headers: list(one.headers), ...(one.trailers && { trailers: list(one.trailers) }) }),
  };
}
