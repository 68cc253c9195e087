// WorkloadGroup: the template of WorkloadEntries that register themselves.

import type { Resource } from '../kube-object.ts';
import { int32, list, map, message, type Static, text, uint32 } from '../schema/build.ts';
import { PORT_RULE } from '../schema/shared.ts';
import { workloadTemplate } from './workload-entry.ts';

const port = { ...uint32('Port, 1 to 65535.'), 'x-kubernetes-validations': [PORT_RULE] };

const probe = message(
  'How health is checked.',
  {
    initialDelaySeconds: int32('Wait before the first check.', { minimum: 0 }),
    timeoutSeconds: int32('Limit of one check; default 1.', { minimum: 0 }),
    periodSeconds: int32('Time between checks; default 10.', { minimum: 0 }),
    successThreshold: int32('Successes until healthy; default 1.', { minimum: 0 }),
    failureThreshold: int32('Failures until unhealthy; default 3.', { minimum: 0 }),
    httpGet: message(
      'Checks by an HTTP GET.',
      {
        path: text('Path.'),
        port,
        host: text('Host; default localhost.'),
        scheme: text('HTTP or HTTPS.', {
          cel: [{ rule: 'self in ["", "HTTP", "HTTPS"]', message: 'scheme must be one of [HTTP, HTTPS]' }],
        }),
        httpHeaders: list(
          'Headers to send.',
          message('One header.', { name: text('Name.', { pattern: '^[-_A-Za-z0-9]+$' }), value: text('Value.') }),
        ),
      },
      { required: ['port'] },
    ),
    tcpSocket: message('Checks by connecting.', { host: text('Host; default localhost.'), port }, { required: ['port'] }),
    exec: message(
      'Checks by running a command.',
      { command: list('Command line.', text('', { minLength: 1 })) },
      { required: ['command'] },
    ),
    grpc: message('Checks by gRPC health.', { port, service: text('Service name.') }),
  },
  { oneOf: [{ fields: ['httpGet', 'tcpSocket', 'exec', 'grpc'] }] },
);
/** `probe` of a WorkloadGroup. */
export type ReadinessProbe = Static<typeof probe>;

export const workloadGroupSpec = message(
  'Properties of the workloads of a group.',
  {
    metadata: message('Metadata of the WorkloadEntries.', {
      labels: map('Labels.', text(), { maxProperties: 256 }),
      annotations: map('Annotations.', text(), { maxProperties: 256 }),
    }),
    template: workloadTemplate,
    probe,
  },
  { required: ['template'] },
);
/** Spec of a WorkloadGroup. */
export type WorkloadGroupSpec = Static<typeof workloadGroupSpec>;
/** networking.istio.io WorkloadGroup. */
export type WorkloadGroup = Resource<'WorkloadGroup', WorkloadGroupSpec>;
