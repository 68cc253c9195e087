// The admin answers that are protobuf messages. Loaded when first asked for: see admin.ts.

import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { adminInitDump, adminMemory, adminServerInfo } from '@lateen/xds/messages/admin';
import type { AdminSource } from './admin.ts';
import { replyJson } from './clusters.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

export { replyCertificates } from './certs.ts';
export { replyClusters, replyListeners } from './clusters.ts';
export { replyConfigDump } from './config-dump.ts';

export function replyMemory(): EndpointReply {
  const { heapUsed, heapTotal, rss } = process.memoryUsage();
  const message = { allocated: BigInt(heapUsed), heapSize: BigInt(heapTotal), totalPhysicalBytes: BigInt(rss) };
  return replyJson(adminMemory.MemorySchema, create(adminMemory.MemorySchema, message), true);
}

export function replyServerInfo(source: AdminSource): EndpointReply {
  const uptime = durationFromMs(Math.floor(source.uptimeMs() / 1000) * 1000);
  const message = create(adminServerInfo.ServerInfoSchema, {
    version: source.version,
    state: adminServerInfo.ServerInfo_State[source.state()],
    uptimeCurrentEpoch: uptime,
    uptimeAllEpochs: uptime,
    hotRestartVersion: 'disabled',
    commandLineOptions: {
      concurrency: source.concurrency,
      mode: adminServerInfo.CommandLineOptions_Mode.Serve,
      serviceNode: source.node?.id ?? '',
      serviceCluster: source.node?.cluster ?? '',
    },
    ...(source.node && { node: source.node }),
  });
  return replyJson(adminServerInfo.ServerInfoSchema, message, true);
}

/** What the first configuration still waits for, as Envoy's init manager names it. */
export function replyInitDump({ query }: Pick<EndpointRequest, 'query'>, { config }: AdminSource): EndpointReply {
  const mask = query.get('mask');
  const unreadyTargetsDumps = (['cluster', 'listener'] as const).flatMap((kind) => {
    const targetNames = config.entries(kind).flatMap(({ entry, state }) => (state === 'warming' ? [`${kind} ${entry.name}`] : []));
    return targetNames.length > 0 && (mask === null || mask === kind) ? [{ name: kind, targetNames }] : [];
  });
  const schema = adminInitDump.UnreadyTargetsDumpsSchema;
  return replyJson(schema, create(schema, { unreadyTargetsDumps }));
}
