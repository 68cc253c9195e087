// Telemetry: metrics, access logs and traces of workloads.

import type { Resource } from '../kube-object.ts';
import { bool, choice, double, duration, list, map, message, type Static, text } from '../schema/build.ts';
import { ONE_SELECTOR, targeting } from '../schema/shared.ts';

const providers = list(
  'Where the data goes; names of extensionProviders.',
  message('A provider.', { name: text('Its name.', { minLength: 1 }) }, { required: ['name'] }),
);

const MODES = ['CLIENT_AND_SERVER', 'CLIENT', 'SERVER'] as const;
const mode = choice('Side of the traffic.', MODES);

const tagSource = (description: string) =>
  message(description, { name: text('Name.', { minLength: 1 }), defaultValue: text('Value when it is absent.') }, { required: ['name'] });

const tracing = message('Settings of traces.', {
  match: message('Which traffic.', { mode }),
  providers,
  randomSamplingPercentage: double('Share of requests traced without a decision from the caller.', { minimum: 0, maximum: 100 }),
  disableSpanReporting: bool('Keep the headers but report no spans.'),
  customTags: map(
    'Tags added to spans.',
    message(
      'A tag.',
      {
        literal: message('A fixed value.', { value: text('The value.', { minLength: 1 }) }, { required: ['value'] }),
        environment: tagSource('From an environment variable of the proxy.'),
        header: tagSource('From a request header.'),
        formatter: message('From an access log format.', { value: text('The format.', { minLength: 1 }) }, { required: ['value'] }),
      },
      { oneOf: [{ fields: ['literal', 'environment', 'header', 'formatter'] }] },
    ),
  ),
  useRequestIdForTraceSampling: bool('Derive the decision from x-request-id; default true.'),
  enableIstioTags: bool('Add the tags of the mesh; default true.'),
  disableContextPropagation: bool('Do not write trace headers.'),
});
/** One entry of `tracing`. */
export type Tracing = Static<typeof tracing>;

const tagOverride = message(
  'Change of one tag.',
  { operation: choice('UPSERT sets value, REMOVE drops the tag.', ['UPSERT', 'REMOVE']), value: text('CEL expression.') },
  {
    cel: [
      {
        rule: '((has(self.operation) ? self.operation : "") == "UPSERT") ? (has(self.value) && self.value != "") : true',
        message: 'value must be set when operation is UPSERT',
      },
      {
        rule: '((has(self.operation) ? self.operation : "") == "REMOVE") ? !has(self.value) : true',
        message: 'value must not be set when operation is REMOVE',
      },
    ],
  },
);

const metrics = message('Settings of metrics.', {
  providers,
  overrides: list(
    'Changes to metrics.',
    message('One change.', {
      match: message(
        'Which metrics; default all.',
        {
          metric: choice('A standard metric.', [
            'ALL_METRICS',
            'REQUEST_COUNT',
            'REQUEST_DURATION',
            'REQUEST_SIZE',
            'RESPONSE_SIZE',
            'TCP_OPENED_CONNECTIONS',
            'TCP_CLOSED_CONNECTIONS',
            'TCP_SENT_BYTES',
            'TCP_RECEIVED_BYTES',
            'GRPC_REQUEST_MESSAGES',
            'GRPC_RESPONSE_MESSAGES',
          ]),
          customMetric: text('Any metric by name.', { minLength: 1 }),
          mode,
        },
        { oneOf: [{ fields: ['metric', 'customMetric'] }] },
      ),
      disabled: bool('Do not report it.'),
      tagOverrides: map('Changes of tags by name.', tagOverride),
    }),
  ),
  reportingInterval: duration('Interval of reports; default 5 s.'),
});
/** One entry of `metrics`. */
export type Metrics = Static<typeof metrics>;

const accessLogging = message('Settings of access logs.', {
  match: message('Which traffic.', { mode }),
  providers,
  disabled: bool('Log nothing.'),
  filter: message('Logs only what the expression accepts.', { expression: text('CEL expression.') }),
});
/** One entry of `accessLogging`. */
export type AccessLogging = Static<typeof accessLogging>;

export const telemetrySpec = message(
  'What workloads report.',
  {
    ...targeting,
    tracing: list('Traces.', tracing),
    metrics: list('Metrics.', metrics),
    accessLogging: list('Access logs.', accessLogging),
  },
  { cel: [ONE_SELECTOR] },
);
/** Spec of a Telemetry. */
export type TelemetrySpec = Static<typeof telemetrySpec>;
/** telemetry.istio.io Telemetry. */
export type Telemetry = Resource<'Telemetry', TelemetrySpec>;
