// Load balancing: the old lb_policy enum with its configs, and the newer load_balancing_policy extensions.

import {
  type Cluster,
  type Cluster_SlowStartConfig,
  clusterProvidedLbPolicy,
  type commonLbPolicy,
  Cluster_LbPolicy as Lb,
  type LoadBalancingPolicy,
  leastRequestLbPolicy,
  maglevLbPolicy,
  randomLbPolicy,
  ringHashLbPolicy,
  roundRobinLbPolicy,
  wrrLocalityLbPolicy,
} from '@lateen/xds/messages/proxy';
import type { ClusterRuntime, LbPolicy, SlowStart } from '../model.ts';
import { compileAny, extension } from './any.ts';
import type { Report } from './report.ts';
import { durationMsOr } from './values.ts';

export type Balancing = Pick<ClusterRuntime, 'lb' | 'localityWeighted' | 'zoneAware'>;

const MAGLEV_TABLE_SIZE = 65_537;
const MAX_MAGLEV_TABLE = 5_000_011;
const MIN_RING = 1024;
const MAX_RING = 8 * 1024 * 1024;

export function compileBalancing(message: Cluster, report: Report): Balancing {
  const balancing = message.loadBalancingPolicy
    ? compilePolicies(message.loadBalancingPolicy, report.at('load_balancing_policy'))
    : { lb: compileEnum(message, report), ...localityOf(message.commonLbConfig) };
  checkSizes(balancing.lb, report);
  return balancing;
}

// Tables are built in memory, so their sizes need limits (Envoy has the same).
function checkSizes(lb: LbPolicy, report: Report): void {
  if (lb.kind === 'ring_hash') {
    const at = report.at('ring_hash_lb_config');
    if (lb.maxRingSize > MAX_RING) at.at('maximum_ring_size').refuse(`must be at most ${MAX_RING}`);
    if (lb.minRingSize > lb.maxRingSize) at.at('minimum_ring_size').refuse('must not be larger than maximum_ring_size');
  }
  if (lb.kind === 'maglev' && (lb.tableSize < 2 || lb.tableSize > MAX_MAGLEV_TABLE || !isPrime(lb.tableSize))) {
    report.at('maglev_lb_config').at('table_size').refuse(`must be a prime number of at most ${MAX_MAGLEV_TABLE}`);
  }
}

function isPrime(n: number): boolean {
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return n > 1;
}

function compileEnum(message: Cluster, report: Report): LbPolicy {
  const config = message.lbConfig;
  const useHostnameForHashing = message.commonLbConfig?.consistentHashingLbConfig?.useHostnameForHashing ?? false;
  switch (message.lbPolicy) {
    case Lb.ROUND_ROBIN:
      return {
        kind: 'round_robin',
        slowStart: config.case === 'roundRobinLbConfig' ? slowStartOf(config.value.slowStartConfig) : undefined,
      };
    case Lb.LEAST_REQUEST:
      return leastRequest(config.case === 'leastRequestLbConfig' ? config.value : undefined);
    case Lb.RANDOM:
      return { kind: 'random' };
    case Lb.RING_HASH: {
      const ring = config.case === 'ringHashLbConfig' ? config.value : undefined;
      return ringHash({ minimumRingSize: ring?.minimumRingSize, maximumRingSize: ring?.maximumRingSize, useHostnameForHashing });
    }
    case Lb.MAGLEV: {
      const size = config.case === 'maglevLbConfig' ? config.value.tableSize : undefined;
      return { kind: 'maglev', tableSize: Number(size ?? MAGLEV_TABLE_SIZE), useHostnameForHashing };
    }
    case Lb.CLUSTER_PROVIDED:
      return { kind: 'cluster_provided' };
    default:
      report.at('lb_policy').refuse(`unknown value ${message.lbPolicy}`);
      return { kind: 'round_robin', slowStart: undefined };
  }
}

type RingSizes = { minimumRingSize: bigint | undefined; maximumRingSize: bigint | undefined; useHostnameForHashing: boolean };
const ringHash = (sizes: RingSizes): LbPolicy => ({
  kind: 'ring_hash',
  minRingSize: Number(sizes.minimumRingSize ?? MIN_RING),
  maxRingSize: Number(sizes.maximumRingSize ?? MAX_RING),
  useHostnameForHashing: sizes.useHostnameForHashing,
});

type LeastRequestFields = {
  choiceCount?: number | undefined;
  activeRequestBias?: { defaultValue: number } | undefined;
  slowStartConfig?: SlowStartMessage;
};
const leastRequest = (message: LeastRequestFields | undefined): LbPolicy => ({
  kind: 'least_request',
  choiceCount: message?.choiceCount ?? 2,
  activeRequestBias: message?.activeRequestBias?.defaultValue ?? 1,
  slowStart: slowStartOf(message?.slowStartConfig),
});

type SlowStartMessage = Omit<Cluster_SlowStartConfig, '$typeName'> | Omit<commonLbPolicy.SlowStartConfig, '$typeName'> | undefined;

function slowStartOf(message: SlowStartMessage): SlowStart | undefined {
  if (!message?.slowStartWindow) return undefined;
  return {
    windowMs: durationMsOr(message.slowStartWindow, 0),
    minWeightPercent: message.minWeightPercent?.value ?? 10,
    aggression: message.aggression?.defaultValue ?? 1,
  };
}

type LocalityMessage =
  | {
      localityConfigSpecifier:
        | { case: 'zoneAwareLbConfig'; value: { routingEnabled?: { value: number } | undefined; minClusterSize?: bigint | undefined } }
        | { case: 'localityWeightedLbConfig'; value: object }
        | { case: undefined; value?: undefined };
    }
  | undefined;

function localityOf(message: LocalityMessage): Omit<Balancing, 'lb'> {
  const specifier = message?.localityConfigSpecifier;
  return {
    localityWeighted: specifier?.case === 'localityWeightedLbConfig',
    zoneAware:
      specifier?.case === 'zoneAwareLbConfig'
        ? {
            routingEnabledPercent: specifier.value.routingEnabled?.value ?? 100,
            minClusterSize: Number(specifier.value.minClusterSize ?? 6n),
          }
        : undefined,
  };
}

const POLICIES = [
  extension(
    leastRequestLbPolicy.LeastRequestSchema,
    (message): Balancing => ({ lb: leastRequest(message), ...localityOf(message.localityLbConfig) }),
  ),
  extension(
    roundRobinLbPolicy.RoundRobinSchema,
    (message): Balancing => ({
      lb: { kind: 'round_robin', slowStart: slowStartOf(message.slowStartConfig) },
      ...localityOf(message.localityLbConfig),
    }),
  ),
  extension(randomLbPolicy.RandomSchema, (message): Balancing => ({ lb: { kind: 'random' }, ...localityOf(message.localityLbConfig) })),
  extension(ringHashLbPolicy.RingHashSchema, (message): Balancing => {
    const useHostnameForHashing = message.consistentHashingLbConfig?.useHostnameForHashing ?? message.useHostnameForHashing;
    const { minimumRingSize, maximumRingSize } = message;
    return { lb: ringHash({ minimumRingSize, maximumRingSize, useHostnameForHashing }), ...weighted(message) };
  }),
  extension(maglevLbPolicy.MaglevSchema, (message): Balancing => {
    const useHostnameForHashing = message.consistentHashingLbConfig?.useHostnameForHashing ?? false;
    return {
      lb: { kind: 'maglev', tableSize: Number(message.tableSize ?? MAGLEV_TABLE_SIZE), useHostnameForHashing },
      ...weighted(message),
    };
  }),
  extension(
    clusterProvidedLbPolicy.ClusterProvidedSchema,
    (): Balancing => ({ lb: { kind: 'cluster_provided' }, ...localityOf(undefined) }),
  ),
  extension(
    wrrLocalityLbPolicy.WrrLocalitySchema,
    (message, report): Balancing => ({
      ...compilePolicies(message.endpointPickingPolicy, report.at('endpoint_picking_policy')),
      localityWeighted: true,
    }),
  ),
];

const weighted = (message: { localityWeightedLbConfig?: object | undefined }): Omit<Balancing, 'lb'> => ({
  localityWeighted: message.localityWeightedLbConfig !== undefined,
  zoneAware: undefined,
});

/** The first policy whose type is known, as Envoy picks it. */
function compilePolicies(message: LoadBalancingPolicy | undefined, report: Report): Balancing {
  for (const [i, policy] of (message?.policies ?? []).entries()) {
    const config = policy.typedExtensionConfig?.typedConfig;
    if (!POLICIES.some((known) => config?.typeUrl.endsWith(`/${known.schema.typeName}`))) continue;
    const compiled = compileAny(config, POLICIES, report.at('policies', i));
    if (compiled) return compiled;
  }
  const names = message?.policies.map((policy) => policy.typedExtensionConfig?.typedConfig?.typeUrl).join(', ');
  report.refuse(`no supported policy among: ${names || 'none'}`);
  return { lb: { kind: 'round_robin', slowStart: undefined }, localityWeighted: false, zoneAware: undefined };
}
