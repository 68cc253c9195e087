// Puts placeholders where two runs of the same program differ.

import { networkInterfaces } from 'node:os';
import type { Ports } from './bootstrap.ts';
import type { Answer, HeaderList, Seen } from './model.ts';

const VOLATILE: Record<string, [pattern: RegExp, placeholder: string]> = {
  date: [/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/, '<date>'],
  'x-request-id': [/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, '<uuid>'],
  'x-envoy-upstream-service-time': [/^\d+$/, '<ms>'],
};

/** Longer texts are compared by their length. */
const LONG = 300;

export type Normalize = {
  text(text: string): string;
  answer(answer: Answer): Answer /** `index` among the requests of one case. */;
  seen(one: Seen, index: number): Seen;
};

/** With the ports of this run. */
export function createNormalize(ports: Ports): Normalize {
  const names = new Map<string, string>();
  for (const [name, port] of [...ports.upstreams, ...ports.listeners]) names.set(String(port), name);
  const ownAddresses = new Set(Object.values(networkInterfaces()).flatMap((all) => all?.map((one) => one.address) ?? []));
  ownAddresses.delete('127.0.0.1');
  const text = (value: string) => {
    if (ownAddresses.has(value)) return '<own address>';
    if (value.length > LONG) return `${value.length} bytes`;
    return value.replace(/\b127\.0\.0\.([12]):(\d+)/g, (_, last: string, port: string) => `127.0.0.${last}:<${names.get(port) ?? 'port'}>`);
  };
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
      body: text(answer.body),
      ...(answer.trailers && { trailers: list(answer.trailers) }),
    }),
    seen: (one, index) => ({
      ...one,
      path: text(one.path),
      // Of a retry: what is left.
      headers: list(one.headers).map(([name, value]): [string, string] => [
        name,
        name === 'x-envoy-expected-rq-timeout-ms' && (index > 0 || Number(value) % 50 > 0) ? '<ms>' : value,
      ]),
      ...(one.trailers && { trailers: list(one.trailers) }),
    }),
  };
}
