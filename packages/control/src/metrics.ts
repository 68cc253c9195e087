// The control plane's own metrics, under istiod's names.

import { createMetricRegistry, type MetricRegistry } from '@lateen/base';
import type { MeshSnapshot } from '@lateen/mesh';
import type { AdsEvent } from '@lateen/xds/server';

const SECONDS_BUCKETS = [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30];

/** Short names that istiod uses in metric names and in /debug/syncz. */
export const TYPE_NAMES: Readonly<Record<string, { short: string; long: string }>> = {
  'type.googleapis.com/envoy.config.cluster.v3.Cluster': { short: 'cds', long: 'cluster' },
  'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment': { short: 'eds', long: 'endpoint' },
  'type.googleapis.com/envoy.config.listener.v3.Listener': { short: 'lds', long: 'listener' },
  'type.googleapis.com/envoy.config.route.v3.RouteConfiguration': { short: 'rds', long: 'route' },
};

export type ControlMetrics = ReturnType<typeof createControlMetrics>;

export function createControlMetrics(version: string) {
  const registry: MetricRegistry = createMetricRegistry();
  const gauge = (name: string, help: string) => registry.gauge({ name, help });
  const counter = (name: string, help: string) => registry.counter({ name, help });
  const histogram = (name: string, help: string) => registry.histogram({ name, help, buckets: SECONDS_BUCKETS });

  const clients = gauge('pilot_xds', 'Number of endpoints connected to this pilot using XDS.');
  const pushes = counter('pilot_xds_pushes', 'Pilot build and send errors for lds, rds, cds and eds.');
  const rejects = counter('pilot_total_xds_rejects', 'Total number of XDS responses from pilot rejected by proxy.');
  const rejectsByType = Object.fromEntries(
    Object.values(TYPE_NAMES).map(({ short }) => [
      short,
      counter(`pilot_xds_${short}_reject`, `Pilot rejected ${short.toUpperCase()} configs.`),
    ]),
  );
  const services = gauge('pilot_services', 'Total services known to pilot.');
  const virtualServices = gauge('pilot_virt_services', 'Total virtual services known to pilot.');
  gauge('istio_build', 'Istio component build info').labels({ component: 'pilot', tag: version }).set(1);
  clients.labels({ version }).set(0);
  const convergence = histogram(
    'pilot_proxy_convergence_time',
    'Delay in seconds between config change and a proxy receiving all required configuration.',
  );
  return {
    registry,
    pushTriggers: counter('pilot_push_triggers', 'Total number of times a push was triggered, labeled by reason for the push.'),
    configEvents: counter('pilot_k8s_cfg_events', 'Events from k8s config.'),
    debounceSeconds: histogram(
      'pilot_debounce_time',
      'Delay in seconds between the first config enters debouncing and the merged push request is pushed into the push queue.',
    ),
    pushSeconds: histogram('pilot_xds_push_time', 'Total time in seconds Pilot takes to push lds, rds, cds and eds.'),
    validationPassed: counter('galley_validation_passed', 'Resource is valid'),
    validationFailed: counter('galley_validation_failed', 'Resource validation failed'),
    injectionRequests: counter('sidecar_injection_requests_total', 'Total number of sidecar injection requests.'),
    injectionSuccesses: counter('sidecar_injection_success_total', 'Total number of successful sidecar injection requests.'),
    injectionFailures: counter('sidecar_injection_failure_total', 'Total number of failed sidecar injection requests.'),
    injectionSkips: counter('sidecar_injection_skip_total', 'Total number of skipped sidecar injection requests.'),
    observeSnapshot(snapshot: MeshSnapshot): void {
      services.labels().set(snapshot.services.size);
      virtualServices.labels().set(snapshot.virtualServices.size);
    },
    /** `sinceChangeMs` is the age of the snapshot being pushed. */
    observeAds(event: AdsEvent, sinceChangeMs: number): void {
      if (event.type === 'connect') clients.labels({ version }).add(1);
      else if (event.type === 'disconnect') clients.labels({ version }).add(-1);
      else if (event.type === 'push') pushes.labels({ type: TYPE_NAMES[event.typeUrl]?.short ?? 'other' }).add();
      else if (event.type === 'nack') {
        rejects.labels({ type: TYPE_NAMES[event.typeUrl]?.short ?? 'other' }).add();
        const short = TYPE_NAMES[event.typeUrl]?.short;
        if (short) rejectsByType[short]?.labels().add();
      } else convergence.labels().observe(sinceChangeMs / 1000);
    },
  };
}
