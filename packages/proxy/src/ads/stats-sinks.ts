// `stats_sinks` of a bootstrap: the servers that statistics are told to.

import { isIP } from 'node:net';
import { anyIs, anyUnpack } from '@bufbuild/protobuf/wkt';
import { configMetricsStats } from '@lateen/xds/messages';
import type { Bootstrap } from '@lateen/xds/messages/admin';
import { NO_STATSD, type StatsdSettings, type StatsdSink } from '../observe/statsd.ts';
import type { Report } from '../runtime/compile/report.ts';
import { durationMsOr, socketAddressOf } from '../runtime/compile/values.ts';

type Address = Parameters<typeof socketAddressOf>[0];

export function compileStatsSinks({ statsSinks, statsFlushInterval, statsFlush }: Bootstrap, report: Report): StatsdSettings {
  const sinks = statsSinks.flatMap(({ configType: { value: any } }, i): StatsdSink[] => {
    const at = report.at('stats_sinks', i).at('typed_config');
    if (any && anyIs(any, configMetricsStats.StatsdSinkSchema)) {
      const sink = anyUnpack(any, configMetricsStats.StatsdSinkSchema);
      if (sink?.statsdSpecifier.case === 'tcpClusterName') at.at('tcp_cluster_name').refuse('is not supported');
      else return sinkOf(sink?.statsdSpecifier.value, { prefix: sink?.prefix, maxBytes: 0, withTags: false }, at);
    } else if (any && anyIs(any, configMetricsStats.DogStatsdSinkSchema)) {
      const sink = anyUnpack(any, configMetricsStats.DogStatsdSinkSchema);
      const maxBytes = Number(sink?.maxBytesPerDatagram ?? 0);
      return sinkOf(sink?.dogStatsdSpecifier.value, { prefix: sink?.prefix, maxBytes, withTags: true }, at);
    } else at.refuse(`${any?.typeUrl || 'a sink without a type'} is not supported here`);
    return [];
  });
  if (sinks.length > 0 && statsFlush.case === 'statsFlushOnAdmin') report.at('stats_flush_on_admin').refuse('is not supported with sinks');
  return { flushIntervalMs: durationMsOr(statsFlushInterval, NO_STATSD.flushIntervalMs), sinks };
}

type Rest = { readonly prefix: string | undefined; readonly maxBytes: number; readonly withTags: boolean };

function sinkOf(message: Address, { prefix, ...rest }: Rest, report: Report): StatsdSink[] {
  const at = report.at('address');
  const address = socketAddressOf(message, at, { protocols: 'any' });
  if (!address) return [];
  if (!isIP(address.host)) at.refuse('must be an IP address');
  return [{ address, prefix: prefix || 'envoy', ...rest }];
}
