import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ADDED_RESPONSE_HEADER, REMOVED_RESPONSE_HEADER, type Setup, type TlsFiles } from './setup.ts';
import type { Program, Stage } from './stage.ts';

/** nginx with one worker, as a proxy. */
export function nginxProxy(stage: Stage, setup: Setup, port: number): Program {
  const name = `nginx-${port}`;
  if (setup.downstream === 'tcp') {
    return nginx(stage, name, `stream { server { listen 127.0.0.1:${port}; proxy_pass 127.0.0.1:${setup.upstreamPort}; } }`);
  }
  return nginx(stage, name, httpBlock(stage, name, proxyServers(setup, port)));
}

/** Debian has it in a package of its own (libnginx-mod-stream). */
function streamModule(): string {
  const path = '/usr/lib/nginx/modules/ngx_stream_module.so';
  return existsSync(path) ? `load_module ${path};` : '';
}

/** nginx as an upstream: `/` answers `bodyBytes` bytes, with the header that proxies remove. */
export function nginxUpstream(stage: Stage, options: { port: number; bodyBytes: number; http2?: boolean; tls?: TlsFiles }): Program {
  const { port, bodyBytes, http2 = false, tls } = options;
  const name = `upstream-${port}`;
  stage.write(`${name}.txt`, 'x'.repeat(bodyBytes));
  const listen = `listen 127.0.0.1:${port}${tls ? ' ssl' : ''}${http2 ? ' http2' : ''} reuseport backlog=4096;`;
  const verify = tls ? `${certificateOf(tls)} ssl_client_certificate ${tls.ca}; ssl_verify_client on;` : '';
  const server = `open_file_cache max=10; tcp_nodelay on; server { ${listen} ${verify} root ${stage.folder}; default_type text/plain;
    add_header ${REMOVED_RESPONSE_HEADER} upstream; location / { try_files /${name}.txt =404; error_page 405 =200 $uri; } }`;
  return nginx(stage, name, httpBlock(stage, name, server));
}

function proxyServers(setup: Setup, port: number): string {
  const { tls, serverTls } = setup;
  const own = tls ?? serverTls;
  const http2 = setup.downstream === 'http2' ? ' http2' : '';
  const pass = setup.upstream === 'http2' ? `grpc_pass grpc${tls ? 's' : ''}://app;` : `proxy_pass http${tls ? 's' : ''}://app;`;
  const kind = setup.upstream === 'http2' ? 'grpc' : 'proxy';
  const secure = tls
    ? `${kind}_ssl_certificate ${tls.certificate}; ${kind}_ssl_certificate_key ${tls.key}; ${kind}_ssl_trusted_certificate ${tls.ca};
       ${kind}_ssl_protocols TLSv1.3; ${kind}_ssl_verify on; ${kind}_ssl_name bench.test; ${kind}_ssl_server_name on;`
    : '';
  const settings = `${kind === 'proxy' ? 'proxy_http_version 1.1; proxy_set_header Connection "";' : ''}
    ${kind}_set_header Host $http_host; ${kind}_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ${kind}_set_header X-Forwarded-Proto $scheme; ${kind}_set_header X-Request-Id $request_id;
    ${kind}_hide_header ${REMOVED_RESPONSE_HEADER}; add_header ${ADDED_RESPONSE_HEADER} proxy; ${secure}`;
  const idle = Array.from(
    { length: setup.idleClusters ?? 0 },
    (_, i) => `upstream idle${i} { server 127.0.0.1:${setup.upstreamPort}; }
      server { listen 127.0.0.1:${port}; server_name service-${i}.test; location / { proxy_pass http://idle${i}; } }`,
  ).join('\n');
  return `upstream app { server 127.0.0.1:${setup.upstreamPort}; keepalive 128; keepalive_requests 100000000; }
    ${settings}
    server { listen 127.0.0.1:${port}${own ? ' ssl' : ''}${http2} default_server backlog=4096; ${own ? certificateOf(own) : ''}
    ${tls ? `ssl_client_certificate ${tls.ca}; ssl_verify_client on;` : ''}
    ${setup.prefixes.map((prefix) => `location ${prefix} { ${pass} }`).join('\n')} }
    ${idle}`;
}

const certificateOf = ({ certificate, key }: TlsFiles) =>
  `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_session_cache off; ssl_protocols TLSv1.3;`;

function httpBlock(stage: Stage, name: string, text: string): string {
  const prefix = join(stage.folder, name);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${prefix}/${kind};`).join(' ');
  return `http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s; server_names_hash_bucket_size 128; server_names_hash_max_size 8192;
    variables_hash_max_size 2048; ${temporary} ${text} }`;
}

function nginx(stage: Stage, name: string, text: string): Program {
  const prefix = join(stage.folder, name);
  mkdirSync(prefix, { recursive: true });
  const config = `${text.startsWith('stream') ? streamModule() : ''} daemon off; worker_processes 1; error_log stderr crit; pid ${prefix}/pid; user root;
    events { worker_connections 8000; } ${text}`;
  return { command: 'nginx', args: ['-p', prefix, '-c', stage.write(`${name}.conf`, config)] };
}
