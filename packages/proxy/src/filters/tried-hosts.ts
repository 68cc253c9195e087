// The hosts that a request has met, and how the next choice goes round them.

import type { RetryRuntime } from '../runtime/model.ts';
import type { HostChoice } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';
import { PreviousPriorities } from '../upstream/previous-priorities.ts';
import { hostRejection } from './retry-hosts.ts';

export class TriedHosts {
  private readonly rules: RetryRuntime;
  private readonly hosts = new Set<Host>();
  private readonly priorities: PreviousPriorities | undefined;

  constructor(rules: RetryRuntime) {
    this.rules = rules;
    this.priorities = rules.previousPrioritiesEvery === undefined ? undefined : new PreviousPriorities(rules.previousPrioritiesEvery);
  }

  add(host: Host): void {
    this.hosts.add(host);
    this.priorities?.add(host);
  }

  get choice(): Pick<HostChoice, 'avoid' | 'rejects' | 'priorities' | 'attempts'> {
    const { rules, hosts, priorities } = this;
    return {
      avoid: rules.avoidPreviousHosts ? hosts : undefined,
      rejects: hostRejection(rules),
      priorities,
      attempts: rules.hostSelectionMaxAttempts,
    };
  }
}
