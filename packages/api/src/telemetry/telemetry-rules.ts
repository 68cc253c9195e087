// Semantic rules of Telemetry.

import { compileCel } from '@lateen/base/cel';
import type { Report } from '../findings/report.ts';
import { checkTargeting } from '../validate/selectors.ts';
import type { Metrics, Telemetry, Tracing } from './telemetry.ts';

export function checkTelemetry({ spec }: Telemetry, report: Report): void {
  checkTargeting(spec, report);
  spec.metrics?.forEach((metrics, i) => {
    checkMetrics(metrics, `spec.metrics[${i}]`, report);
  });
  if ((spec.tracing?.length ?? 0) > 1) report.warning('spec.tracing', 'multiple tracing is not currently supported');
  spec.tracing?.forEach((tracing, i) => {
    checkTracing(tracing, `spec.tracing[${i}]`, report);
  });
  spec.accessLogging?.forEach(({ filter }, i) => {
    if (filter?.expression) checkExpression(filter.expression, `spec.accessLogging[${i}].filter.expression`, report);
  });
}

// What the data plane cannot compile would be refused there, with everything that comes with it.
function checkExpression(source: string, path: string, report: Report): void {
  const program = compileCel(source);
  if (!program.ok) report.error(path, `must be a valid CEL expression: ${program.error}`);
}

function checkTracing(tracing: Tracing, path: string, report: Report): void {
  if ((tracing.providers?.length ?? 0) > 1) report.warning(`${path}.providers`, 'multiple providers is not currently supported');
  for (const name of Object.keys(tracing.customTags ?? {})) {
    if (name === '') report.error(`${path}.customTags`, 'tag name may not be empty');
  }
}

function checkMetrics(metrics: Metrics, path: string, report: Report): void {
  metrics.overrides?.forEach((override, i) => {
    for (const [tag, change] of Object.entries(override.tagOverrides ?? {})) {
      const place = `${path}.overrides[${i}].tagOverrides[${tag}]`;
      if (tag === '') report.warning(place, 'tagOverrides.name may not be empty');
      const operation = change.operation ?? 'UPSERT';
      if (operation === 'UPSERT' && !change.value) report.error(place, 'value must be set when operation is UPSERT');
      if (operation === 'UPSERT' && change.value) checkExpression(change.value, place, report);
      if (operation === 'REMOVE' && change.value) report.error(place, 'value must not be set when operation is REMOVE');
    }
  });
}
