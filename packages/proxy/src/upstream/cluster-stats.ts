// Counters and gauges of a cluster, under Envoy's names. Plain numbers: counting is an addition, reading happens at scrape time.

import type { Http2Stats } from '../http2/http2-stats.ts';
import { Histogram } from '../observe/histogram.ts';
import type { TableSize } from './hash-table.ts';
import { StatusCounts } from './status-counts.ts';
import type { ZoneChoice } from './zone-routing.ts';

const ZONE_COUNTERS = {
  all_directly: 'lb_zone_routing_all_directly',
  sampled: 'lb_zone_routing_sampled',
  cross_zone: 'lb_zone_routing_cross_zone',
  no_capacity_left: 'lb_zone_no_capacity_left',
} as const;

export type ConnectionEnd = {
  readonly endedByPeer: boolean;
  /** A request was under way. */
  readonly brokeOff: boolean;
  /** The peer broke the protocol. */
  readonly isFaulty: boolean;
  /** The peer said before that it would be over. */
  readonly wasToldToClose: boolean;
};

export class SubsetStats {
  lb_subsets_active = 0;
  lb_subsets_created = 0;
  lb_subsets_removed = 0;
  lb_subsets_selected = 0;
  lb_subsets_fallback = 0;
  lb_subsets_fallback_panic = 0;
  lb_subsets_single_host_per_subset_duplicate = 0;

  /** How many there are from now on. */
  countSubsets(count: number): void {
    this.lb_subsets_created += Math.max(0, count - this.lb_subsets_active);
    this.lb_subsets_removed += Math.max(0, this.lb_subsets_active - count);
    this.lb_subsets_active = count;
  }
}

/** `ring_hash_lb.*`: the table that was built last. */
export class RingHashStats {
  size = 0;
  min_hashes_per_host = 0;
  max_hashes_per_host = 0;

  set({ size, least, most }: TableSize): void {
    this.size = size;
    this.min_hashes_per_host = least;
    this.max_hashes_per_host = most;
  }
}

/** `maglev_lb.*`. */
export class MaglevStats {
  min_entries_per_host = 0;
  max_entries_per_host = 0;

  set({ least, most }: TableSize): void {
    this.min_entries_per_host = least;
    this.max_entries_per_host = most;
  }
}

/** `outlier_detection.*`. */
export class OutlierStats {
  ejections_active = 0;
  ejections_enforced_total = 0;
  ejections_overflow = 0;
  ejections_detected_consecutive_5xx = 0;
  ejections_enforced_consecutive_5xx = 0;
  ejections_detected_consecutive_gateway_failure = 0;
  ejections_enforced_consecutive_gateway_failure = 0;
  ejections_detected_consecutive_local_origin_failure = 0;
  ejections_enforced_consecutive_local_origin_failure = 0;
  ejections_detected_success_rate = 0;
  ejections_enforced_success_rate = 0;
  ejections_detected_local_origin_success_rate = 0;
  ejections_enforced_local_origin_success_rate = 0;
  ejections_detected_failure_percentage = 0;
  ejections_enforced_failure_percentage = 0;
  ejections_detected_local_origin_failure_percentage = 0;
  ejections_enforced_local_origin_failure_percentage = 0;
  /** These three are Envoy's older names. */
  ejections_total = 0;
  ejections_consecutive_5xx = 0;
  ejections_success_rate = 0;
}

/** `health_check.*`. */
export class HealthCheckStats {
  attempt = 0;
  success = 0;
  failure = 0;
  passive_failure = 0;
  network_failure = 0;
  verify_cluster = 0;
  healthy = 0;
  degraded = 0;
}

export class ClusterStats {
  upstream_cx_total = 0;
  upstream_cx_active = 0;
  upstream_cx_connect_fail = 0;
  upstream_cx_connect_timeout = 0;
  upstream_cx_overflow = 0;
  /** TCP: connections given up after all attempts. */
  upstream_cx_connect_attempts_exceeded = 0;
  upstream_cx_pool_overflow = 0;
  upstream_cx_http1_total = 0;
  upstream_cx_http2_total = 0;
  upstream_cx_destroy = 0;
  upstream_cx_destroy_local = 0;
  upstream_cx_destroy_remote = 0;
  upstream_cx_destroy_with_active_rq = 0;
  upstream_cx_destroy_local_with_active_rq = 0;
  upstream_cx_destroy_remote_with_active_rq = 0;
  upstream_cx_close_notify = 0;
  upstream_cx_idle_timeout = 0;
  upstream_cx_protocol_error = 0;
  upstream_cx_max_requests = 0;
  upstream_cx_max_duration_reached = 0;
  upstream_cx_none_healthy = 0;
  upstream_rq_total = 0;
  upstream_rq_active = 0;
  upstream_rq_pending_total = 0;
  upstream_rq_pending_active = 0;
  upstream_rq_pending_overflow = 0;
  upstream_rq_active_overflow = 0;
  upstream_rq_pending_failure_eject = 0;
  upstream_rq_cancelled = 0;
  upstream_rq_timeout = 0;
  upstream_rq_per_try_timeout = 0;
  upstream_rq_per_try_idle_timeout = 0;
  upstream_rq_max_duration_reached = 0;
  upstream_rq_rx_reset = 0;
  upstream_rq_tx_reset = 0;
  upstream_rq_retry = 0;
  upstream_rq_retry_success = 0;
  upstream_rq_retry_overflow = 0;
  upstream_rq_retry_limit_exceeded = 0;
  upstream_rq_retry_backoff_exponential = 0;
  upstream_rq_retry_backoff_ratelimited = 0;
  /** Bodies that outgrew what is kept of them for retries and mirrors. */
  retry_or_shadow_abandoned = 0;
  lb_healthy_panic = 0;
  lb_local_cluster_not_ok = 0;
  lb_recalculate_zone_structures = 0;
  lb_zone_cluster_too_small = 0;
  lb_zone_no_capacity_left = 0;
  lb_zone_routing_all_directly = 0;
  lb_zone_routing_cross_zone = 0;
  lb_zone_routing_sampled = 0;
  membership_change = 0;
  membership_degraded = 0;
  membership_excluded = 0;
  membership_healthy = 0;
  membership_total = 0;
  max_host_weight = 0;
  original_dst_host_invalid = 0;
  /** 1 while its hosts are being discovered for the first time. */
  warming_state = 0;
  update_attempt = 0;
  update_success = 0;
  update_failure = 0;
  update_empty = 0;
  update_no_rebuild = 0;
  readonly subsets = new SubsetStats();
  readonly ringHash = new RingHashStats();
  readonly maglev = new MaglevStats();
  /** Of connections that speak HTTP/2, once there was one. */
  http2: Http2Stats | undefined;
  readonly outlier = new OutlierStats();
  readonly healthCheck = new HealthCheckStats();
  readonly upstream_cx_connect_ms = new Histogram();
  readonly upstream_cx_length_ms = new Histogram();
  readonly upstream_rq_per_cx = new Histogram();
  /** From the end of the request to the end of the answer. */
  readonly upstream_rq_time = new Histogram();
  /** Answers to requests from within and from outside, those made here for want of one included. */
  readonly internal = new StatusCounts();
  readonly external = new StatusCounts();
  /** Of canaries, counted besides. */
  readonly canary = new StatusCounts();
  /** Answers that led to another attempt. */
  readonly retry = new StatusCounts();

  /** A connection of HTTP is over. */
  countEnd({ endedByPeer, brokeOff, isFaulty, wasToldToClose }: ConnectionEnd): void {
    this.upstream_cx_destroy++;
    if (endedByPeer) this.upstream_cx_destroy_remote++;
    else this.upstream_cx_destroy_local++;
    if (isFaulty) this.upstream_cx_protocol_error++;
    if (wasToldToClose) this.upstream_cx_close_notify++;
    if (!brokeOff) return;
    this.upstream_cx_destroy_with_active_rq++;
    if (endedByPeer) this.upstream_cx_destroy_remote_with_active_rq++;
    else this.upstream_cx_destroy_local_with_active_rq++;
  }

  countZoneChoice(choice: ZoneChoice): void {
    this[ZONE_COUNTERS[choice]]++;
    if (choice === 'no_capacity_left') this.lb_zone_routing_cross_zone++;
  }
}

/** The same for one host, as /clusters shows it. */
export class HostStats {
  cx_total = 0;
  cx_active = 0;
  cx_connect_fail = 0;
  rq_total = 0;
  rq_active = 0;
  rq_success = 0;
  rq_error = 0;
  rq_timeout = 0;
}
