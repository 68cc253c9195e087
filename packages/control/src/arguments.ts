// The command line of the control plane: Lateen's own flags, and those that istiod's Deployment passes.

import { parseArgs } from 'node:util';
import { CodedError, LOG_LEVELS, type LogLevel, messageOf } from '@lateen/base';
import type { HttpAddress } from './admin/http-server.ts';

export type ControlPlaneArguments = {
  /** Objects from here instead of a Kubernetes API. */
  configDir: string | undefined;
  meshConfigFile: string | undefined;
  kubeconfig: string | undefined;
  context: string | undefined;
  xds: HttpAddress;
  http: HttpAddress;
  monitoring: HttpAddress | undefined;
  webhooks: HttpAddress | undefined;
  logLevel: LogLevel;
  logFormat: 'text' | 'json';
};

/**
 * Reads `control-plane` arguments (also `discovery …`, as istiod's container has them). Without --config-dir the addresses
 * default to istiod's, on every interface; with it, to loopback.
 * @throws CodedError LAT0406 for an unknown flag or a bad value.
 */
export function parseControlPlaneArgs(args: readonly string[]): ControlPlaneArguments {
  const { values } = parse(args);
  const configDir = values['config-dir'];
  const host = configDir === undefined ? '0.0.0.0' : '127.0.0.1';
  const address = (name: string, text: string | undefined, port: number): HttpAddress => parseAddress(name, text ?? `${host}:${port}`);
  const inCluster = configDir === undefined;
  return {
    configDir,
    meshConfigFile: values['mesh-config'] ?? values.meshConfig,
    kubeconfig: values.kubeconfig,
    context: values.context,
    xds: address('xds', values.xds ?? values.grpcAddr, 15010),
    http: address('http', values.http ?? values.httpAddr, 8080),
    monitoring:
      values.monitoring || values.monitoringAddr || inCluster
        ? address('monitoring', values.monitoring ?? values.monitoringAddr, 15014)
        : undefined,
    webhooks: inCluster ? address('webhooks', values.webhooks ?? values.httpsAddr, 15017) : undefined,
    logLevel: parseLogLevel(values['log-level'] ?? values.log_output_level),
    logFormat: values.log_as_json ? 'json' : 'text',
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'config-dir': text,
        'mesh-config': text,
        kubeconfig: text,
        context: text,
        xds: text,
        http: text,
        monitoring: text,
        webhooks: text,
        'log-level': text,
        // istiod's spelling
        meshConfig: text,
        grpcAddr: text,
        secureGRPCAddr: text,
        httpAddr: text,
        httpsAddr: text,
        monitoringAddr: text,
        log_output_level: text,
        log_as_json: { type: 'boolean' },
        domain: text,
        keepaliveMaxServerConnectionAge: text,
      },
    });
  } catch (error) {
    throw new CodedError({
      code: 'LAT0406',
      what: 'cannot read the arguments of the control plane',
      why: messageOf(error),
      fix: 'see "lateen control-plane --help"',
      cause: error,
    });
  }
}

/** "host:port", ":port" (every interface) or "[v6]:port". */
function parseAddress(name: string, text: string): HttpAddress {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon < 0 || text.slice(colon + 1) === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new CodedError({
      code: 'LAT0406',
      what: `--${name} is not HOST:PORT: ${text}`,
      fix: `write for example --${name} 127.0.0.1:15010`,
    });
  }
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, '') || '0.0.0.0', port };
}

// istiod writes "default:info,ads:debug"; one level rules everything here.
function parseLogLevel(text: string | undefined): LogLevel {
  const wanted = text?.split(',')[0]?.split(':').at(-1);
  return LOG_LEVELS.find((level) => level === wanted) ?? 'info';
}
