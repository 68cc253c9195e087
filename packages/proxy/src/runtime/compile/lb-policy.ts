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
  subsetLbPolicy,
  wrrLocalityLbPolicy,
} from '@lateen/xds/messages/proxy';
import type { ClusterRuntime, HashingLb, LbPolicy, SlowStart } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { honours, type Report } from './report.ts';
import { compileSubsets } from './subsets.ts';
import { durationMsOr } from './values.ts';

export type Balancing = Pick<ClusterRuntime, 'lb' | 'localityWeighted' | 'zoneAware' | 'subsets'>;
type Locality = Pick<ClusterRuntime, 'localityWeighted' | 'zoneAware'>;
/** What a policy says of itself; subsets are laid around it. */
type Policy = { lb: LbPolicy; subsets?: ClusterRuntime['subsets'] } & Locality;

const MAGLEV_TABLE_SIZE = 65_537;
const MAX_MAGLEV_TABLE = 5_000_011;
const MIN_RING = 1024;
const MAX_RING = 8 * 1024 * 1024;

export function compileBalancing(message: Cluster, report: Report): Balancing {
  const {
    lb,
    localityWeighted,
    zoneAware,
    subsets: ofPolicy,
  } = message.loadBalancingPolicy
    ? compilePolicies(message.loadBalancingPolicy, report.at('load_balancing_policy'))
    : { lb: compileEnum(message, report), ...localityOf(message.commonLbConfig), subsets: undefined };
  checkSizes(lb, report);
  checkSlowStart(lb, report);
  if (message.loadBalancingPolicy) refuseOlderFields(message, report);
  const subsets = ofPolicy ?? (message.lbSubsetConfig && compileSubsets(message.lbSubsetConfig, report.at('lb_subset_config')));
  if (subsets?.localityWeightAware && !localityWeighted) {
    report.at('lb_subset_config').at('locality_weight_aware').refuse('needs locality_weighted_lb_config');
  }
  if (subsets && lb.kind === 'cluster_provided') report.at('lb_subset_config').refuse('cannot be used with lb_policy CLUSTER_PROVIDED');
  return { lb, localityWeighted, zoneAware, subsets };
}

/** With a policy, everything about balancing stands in the policy. */
function refuseOlderFields({ lbSubsetConfig, commonLbConfig }: Cluster, report: Report): void {
  if (lbSubsetConfig) report.at('lb_subset_config').refuse('cannot be combined with load_balancing_policy');
  const { localityConfigSpecifier, consistentHashingLbConfig } = commonLbConfig ?? {};
  if (!localityConfigSpecifier?.case && !consistentHashingLbConfig) return;
  report.at('common_lb_config').refuse('its locality and consistent hashing fields cannot be combined with load_balancing_policy');
}

function checkSlowStart(lb: LbPolicy, report: Report): void {
  const slowStart = 'slowStart' in lb ? lb.slowStart : undefined;
  if (slowStart && slowStart.aggression <= 0) report.at('slow_start_config').at('aggression').refuse('must be larger than 0');
}

// Tables are built in memory, so their sizes need limits (Envoy has the same).
function checkSizes(lb: LbPolicy, report: Report): void {
  if (lb.kind === 'ring_hash') {
    const at = report.at('ring_hash_lb_config');
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
  const hashing = hashingOf(
    message.commonLbConfig?.consistentHashingLbConfig,
    report.at('common_lb_config').at('consistent_hashing_lb_config'),
  );
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
      return ringHash(ring, hashing);
    }
    case Lb.MAGLEV: {
      const size = config.case === 'maglevLbConfig' ? config.value.tableSize : undefined;
      return { kind: 'maglev', tableSize: Number(size ?? MAGLEV_TABLE_SIZE), ...hashing };
    }
    case Lb.CLUSTER_PROVIDED:
      return { kind: 'cluster_provided' };
    default:
      report.at('lb_policy').refuse(`unknown value ${message.lbPolicy}`);
      return { kind: 'round_robin', slowStart: undefined };
  }
}

type HashingMessage = { useHostnameForHashing: boolean; hashBalanceFactor?: number | undefined } | undefined;

function hashingOf(message: HashingMessage, report: Report): HashingLb {
  const factor = message?.hashBalanceFactor ?? 0;
  if (factor > 0 && factor < 100) report.at('hash_balance_factor').refuse('must be at least 100');
  return { useHostnameForHashing: message?.useHostnameForHashing ?? false, hashBalanceFactorPercent: factor };
}

type RingMessage = { minimumRingSize?: bigint | undefined; maximumRingSize?: bigint | undefined; hashFunction: number } | undefined;

// The old enum counts XX_HASH 0, MURMUR_HASH_2 1; the extension puts DEFAULT_HASH 0, which is XX_HASH, before them.
function ringHash(message: RingMessage, hashing: HashingLb, murmur = 1): LbPolicy {
  return {
    kind: 'ring_hash',
    usesMurmur: message?.hashFunction === murmur,
    minRingSize: Number(message?.minimumRingSize ?? MIN_RING),
    maxRingSize: Number(message?.maximumRingSize ?? MAX_RING),
    ...hashing,
  };
}

type LeastRequestFields = {
  choiceCount?: number | undefined;
  activeRequestBias?: { defaultValue: number } | undefined;
  slowStartConfig?: SlowStartMessage;
  enableFullScan?: boolean | undefined;
  selectionMethod?: number;
};
const leastRequest = (message: LeastRequestFields | undefined): LbPolicy => ({
  kind: 'least_request',
  choiceCount: message?.choiceCount ?? 2,
  activeRequestBias: message?.activeRequestBias?.defaultValue ?? 1,
  fullScan: message?.enableFullScan === true || message?.selectionMethod === leastRequestLbPolicy.LeastRequest_SelectionMethod.FULL_SCAN,
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
        | {
            case: 'zoneAwareLbConfig';
            value: { routingEnabled?: { value: number } | undefined; minClusterSize?: bigint | undefined; failTrafficOnPanic: boolean };
          }
        | { case: 'localityWeightedLbConfig'; value: object }
        | { case: undefined; value?: undefined };
    }
  | undefined;

// Unless localities are weighted it is always on; it takes effect where the bootstrap names the proxies' own cluster.
function localityOf(message: LocalityMessage): Locality {
  const specifier = message?.localityConfigSpecifier;
  if (specifier?.case === 'localityWeightedLbConfig') return { localityWeighted: true, zoneAware: undefined };
  const zoneAware = specifier?.case === 'zoneAwareLbConfig' ? specifier.value : undefined;
  return {
    localityWeighted: false,
    zoneAware: {
      routingEnabledPercent: zoneAware?.routingEnabled?.value ?? 100,
      minClusterSize: Number(zoneAware?.minClusterSize ?? 6n),
      failTrafficOnPanic: zoneAware?.failTrafficOnPanic ?? false,
    },
  };
}

const POLICIES = [
  extension(
    leastRequestLbPolicy.LeastRequestSchema,
    (message): Policy => ({ lb: leastRequest(message), ...localityOf(message.localityLbConfig) }),
  ),
  extension(
    roundRobinLbPolicy.RoundRobinSchema,
    (message): Policy => ({
      lb: { kind: 'round_robin', slowStart: slowStartOf(message.slowStartConfig) },
      ...localityOf(message.localityLbConfig),
    }),
  ),
  extension(randomLbPolicy.RandomSchema, (message): Policy => ({ lb: { kind: 'random' }, ...localityOf(message.localityLbConfig) })),
  extension(ringHashLbPolicy.RingHashSchema, (message, report): Policy => {
    const hashing = hashingOf(message.consistentHashingLbConfig ?? message, report);
    return { lb: ringHash(message, hashing, ringHashLbPolicy.RingHash_HashFunction.MURMUR_HASH_2), ...weighted(message) };
  }),
  extension(maglevLbPolicy.MaglevSchema, (message, report): Policy => {
    const hashing = hashingOf(message.consistentHashingLbConfig, report.at('consistent_hashing_lb_config'));
    return { lb: { kind: 'maglev', tableSize: Number(message.tableSize ?? MAGLEV_TABLE_SIZE), ...hashing }, ...weighted(message) };
  }),
  extension(clusterProvidedLbPolicy.ClusterProvidedSchema, (): Policy => ({ lb: { kind: 'cluster_provided' }, ...localityOf(undefined) })),
  extension(
    wrrLocalityLbPolicy.WrrLocalitySchema,
    (message, report): Policy => ({
      ...compilePolicies(message.endpointPickingPolicy, report.at('endpoint_picking_policy')),
      localityWeighted: true,
    }),
  ),
  extension(subsetLbPolicy.SubsetSchema, (message, report): Policy => {
    checkSubset(message, report);
    return { ...compilePolicies(message.subsetLbPolicy, report.at('subset_lb_policy')), subsets: compileSubsets(message, report) };
  }),
];
const checkSubset = honours(
  subsetLbPolicy.SubsetSchema,
  subsetLbPolicy.SubsetSchema.fields.map((field) => field.localName).filter((name) => name !== 'allowRedundantKeys'),
);

const weighted = (message: { localityWeightedLbConfig?: object | undefined }): Locality => ({
  localityWeighted: message.localityWeightedLbConfig !== undefined,
  zoneAware: undefined,
});

/** The first policy whose type is known, as Envoy picks it. */
function compilePolicies(message: LoadBalancingPolicy | undefined, report: Report): Policy {
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
