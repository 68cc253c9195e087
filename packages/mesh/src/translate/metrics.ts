// Istio's metrics of a side of the traffic, as Telemetry changes them.

import type { istioStats } from '@lateen/xds/messages/config';
import type { Telemetry } from '../model/index.ts';
import type { FilterPlace } from './http-filters.ts';
import { goDuration, type InitOf } from './pack.ts';
import { isAbout, sideOf, type TrafficSide, telemetriesFor } from './telemetry.ts';
import type { View } from './view.ts';

type Override = NonNullable<NonNullable<Telemetry['spec']['metrics']>[number]['overrides']>[number];
type Change = { drop: boolean; readonly dimensions: Map<string, string>; readonly removed: Set<string> };

/** The names in Prometheus, without "istio_". */
const STANDARD_METRICS: Readonly<Record<string, string>> = {
  REQUEST_COUNT: 'requests_total',
  REQUEST_DURATION: 'request_duration_milliseconds',
  REQUEST_SIZE: 'request_bytes',
  RESPONSE_SIZE: 'response_bytes',
  TCP_OPENED_CONNECTIONS: 'tcp_connections_opened_total',
  TCP_CLOSED_CONNECTIONS: 'tcp_connections_closed_total',
  TCP_SENT_BYTES: 'tcp_sent_bytes_total',
  TCP_RECEIVED_BYTES: 'tcp_received_bytes_total',
  GRPC_REQUEST_MESSAGES: 'request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'response_messages_total',
};
const PROVIDER = 'prometheus';

/** The configuration of the stats filter; undefined where every metric is switched off. */
export function statsConfig(view: View, place: FilterPlace): InitOf<typeof istioStats.PluginConfigSchema> | undefined {
  const side = sideOf(place);
  const changes = new Map<string, Change>();
  let isOff = false;
  let reportingInterval: string | undefined;
  for (const { spec } of telemetriesFor(view)) {
    for (const { providers = [], overrides = [], reportingInterval: interval } of spec.metrics ?? []) {
      if (providers.length > 0 && !providers.some(({ name }) => name === PROVIDER)) continue;
      reportingInterval = interval ?? reportingInterval;
      for (const override of overrides) {
        if (!isAbout(side, override.match)) continue;
        if (isAboutAll(override) && override.disabled !== undefined) isOff = override.disabled;
        if (!(isAboutAll(override) && override.disabled)) change(changes, override);
      }
    }
  }
  if (isOff) return undefined;
  const tcpReportingDuration = goDuration(reportingInterval);
  return {
    disableHostHeaderFallback: hidesHostHeader(side, place),
    ...(tcpReportingDuration && { tcpReportingDuration }),
    ...(changes.size > 0 && { metrics: [...changes].sort(byName).map(([name, one]) => metricOf(name, one)) }),
  };
}

const hidesHostHeader = (side: TrafficSide, place: FilterPlace): boolean => side === 'SERVER' || place === 'gateway';

const isAboutAll = ({ match }: Override): boolean => !match?.customMetric && (!match?.metric || match.metric === 'ALL_METRICS');

function change(changes: Map<string, Change>, override: Override): void {
  const { match, disabled, tagOverrides = {} } = override;
  const one = match?.customMetric ?? STANDARD_METRICS[match?.metric ?? ''];
  for (const name of one === undefined ? Object.values(STANDARD_METRICS) : [one]) {
    const known = changes.get(name) ?? { drop: false, dimensions: new Map(), removed: new Set() };
    changes.set(name, known);
    known.drop = disabled ?? known.drop;
    for (const [tag, { operation, value = '' }] of Object.entries(tagOverrides)) {
      known.dimensions.delete(tag);
      known.removed.delete(tag);
      if (operation === 'REMOVE') known.removed.add(tag);
      else known.dimensions.set(tag, value);
    }
  }
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : a > b ? 1 : 0);

const metricOf = (name: string, { drop, dimensions, removed }: Change) => ({
  name,
  drop,
  dimensions: Object.fromEntries([...dimensions].sort(byName)),
  tagsToRemove: [...removed].sort(),
});
