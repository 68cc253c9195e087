// Telemetries that go nowhere (IST0157) or to a tracer that is no longer supported (IST0002).

import type { Collector } from './collector.ts';
import type { World } from './world.ts';

/** What MeshConfig says about providers. */
export type Providers = { hasDefaults: { tracing: boolean; metrics: boolean; accessLogging: boolean }; lightstep: readonly string[] };

const SECTIONS = ['metrics', 'tracing', 'accessLogging'] as const;

export function analyzeTelemetryProviders(world: World, out: Collector, providers: Providers): void {
  for (const telemetry of world.istio('Telemetry')) {
    const { name, namespace } = telemetry.metadata;
    // Only access logs have no built-in provider; without one, nothing is logged.
    const unused = telemetry.spec.accessLogging?.findIndex((entry) => !entry.providers?.length && !entry.disabled) ?? -1;
    if (unused >= 0 && !providers.hasDefaults.accessLogging) {
      out.add('IST0157', telemetry, {
        path: `spec.accessLogging[${unused}]`,
        message: `The Telemetry ${name} in namespace "${namespace}" with empty providers will be ignored.`,
      });
    }
    for (const section of SECTIONS) {
      telemetry.spec[section]?.forEach((entry, i) => {
        const old = entry.providers?.find((provider) => providers.lightstep.includes(provider.name));
        if (old)
          out.add('IST0002', telemetry, {
            path: `spec.${section}[${i}].providers`,
            message: `Deprecated: the Lightstep provider ${old.name}; use OpenTelemetry instead`,
          });
      });
    }
  }
}
