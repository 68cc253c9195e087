// Semantic rules of DestinationRule.

import type { Report } from '../findings/report.ts';
import { isDnsLabel, labelsProblem, wildcardDomainProblem } from '../validate/names.ts';
import { checkWorkloadSelector } from '../validate/selectors.ts';
import { checkExportTo } from '../validate/values.ts';
import type { DestinationRule } from './destination-rule.ts';
import { checkTrafficPolicy } from './traffic-policy-rules.ts';

export function checkDestinationRule({ metadata, spec }: DestinationRule, report: Report): void {
  report.check('spec.host', wildcardDomainProblem(spec.host ?? ''));
  checkTrafficPolicy(spec.trafficPolicy, 'spec.trafficPolicy', report);
  const names = new Set<string>();
  spec.subsets?.forEach((subset, i) => {
    const path = `spec.subsets[${i}]`;
    const name = subset.name ?? '';
    if (names.has(name)) report.error(`${path}.name`, `duplicate subset names: ${name}`);
    names.add(name);
    if (name === '') report.error(`${path}.name`, 'subset name cannot be empty');
    else if (!isDnsLabel(name)) report.error(`${path}.name`, `subset name is invalid: ${name.slice(0, 80)}`);
    report.check(`${path}.labels`, labelsProblem(subset.labels));
    checkTrafficPolicy(subset.trafficPolicy, `${path}.trafficPolicy`, report);
  });
  checkExportTo(spec.exportTo, report, { namespace: metadata.namespace ?? '', selectorOnly: spec.workloadSelector !== undefined });
  checkWorkloadSelector(spec.workloadSelector, 'spec.workloadSelector', report);
}
