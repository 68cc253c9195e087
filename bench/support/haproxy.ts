import { ADDED_RESPONSE_HEADER, REMOVED_RESPONSE_HEADER, type Setup } from './setup.ts';
import type { Program, Stage } from './stage.ts';

const GLOBAL = `global
  nbthread 1
  maxconn 8000
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  timeout connect 5s
  timeout client 600s
  timeout server 600s
`;

/** haproxy with one thread, as a proxy. */
export function haproxyProxy(stage: Stage, setup: Setup, port: number): Program {
  const { tls, serverTls, upstreamPort } = setup;
  const own = tls ?? serverTls;
  const alpn = setup.downstream === 'http2' ? ' alpn h2' : '';
  const plain = setup.downstream === 'http2' ? ' proto h2' : '';
  const bind = `bind 127.0.0.1:${port}${own ? ` ssl crt ${own.both}${alpn}` : plain}${tls ? ` ca-file ${tls.ca} verify required` : ''}`;
  const toUpstream = tls ? ` ssl crt ${tls.both} ca-file ${tls.ca} verify required sni str(bench.test)` : '';
  const server = `server app 127.0.0.1:${upstreamPort}${toUpstream}${setup.upstream === 'http2' ? ' proto h2' : ''}`;
  if (setup.downstream === 'tcp') {
    return run(stage, port, `${GLOBAL}  mode tcp\nlisten bench\n  ${bind}\n  ${server}\n`);
  }
  const idle = Array.from({ length: setup.idleClusters ?? 0 }, (_, i) => i);
  const text = `${GLOBAL}  mode http
  http-reuse always
frontend bench
  ${bind}
  option forwardfor
  http-request set-header X-Forwarded-Proto ${own ? 'https' : 'http'}
  http-request set-header X-Request-Id %[uuid()]
  http-response del-header ${REMOVED_RESPONSE_HEADER}
  http-response set-header ${ADDED_RESPONSE_HEADER} proxy
${idle.map((i) => `  use_backend idle${i} if { hdr(host) -i service-${i}.test }`).join('\n')}
${setup.prefixes.map((prefix) => `  use_backend app if { path_beg ${prefix} }`).join('\n')}
backend app
  ${server}
${idle.map((i) => `backend idle${i}\n  server only 127.0.0.1:${upstreamPort}`).join('\n')}
`;
  return run(stage, port, text);
}

/** Gives plain clients a client certificate: connections to `port` go on as mutual TLS to `target`, one for one. */
export function haproxyTlsClient(stage: Stage, options: { port: number; target: number; setup: Setup }): Program {
  const { port, target, setup } = options;
  const { ca, both } = setup.tls!;
  const alpn = setup.downstream === 'http2' ? ' alpn h2' : '';
  const server = `server app 127.0.0.1:${target} ssl crt ${both} ca-file ${ca} verify required sni str(bench.test) no-ssl-reuse${alpn}`;
  return run(stage, port, `${GLOBAL}  mode tcp\nlisten client\n  bind 127.0.0.1:${port}\n  ${server}\n`);
}

function run(stage: Stage, port: number, text: string): Program {
  return { command: 'haproxy', args: ['-db', '-f', stage.write(`haproxy-${port}.cfg`, text)] };
}
