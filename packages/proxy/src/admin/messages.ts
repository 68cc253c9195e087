// The admin answers that are protobuf messages. Loaded when first asked for: see admin.ts.

import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { adminMemory, adminServerInfo } from '@lateen/xds/messages/admin';
import type { AdminSource } from './admin.ts';
import { replyJson } from './clusters.ts';
import type { EndpointReply } from './http-endpoint.ts';

export { replyCertificates } from './certs.ts';
export { replyClusters, replyListeners } from './clusters.ts';
export { replyConfigDump } from './config-dump.ts';

export function replyMemory(): EndpointReply {
  const { heapUsed, heapTotal, rss } = process.memoryUsage();
  const message = { allocated: BigInt(heapUsed), heapSize: BigInt(heapTotal), totalPhysicalBytes: BigInt(rss) };
  return replyJson(adminMemory.MemorySchema, create(adminMemory.MemorySchema, message));
}

export function replyServerInfo(source: AdminSource): EndpointReply {
  const uptime = durationFromMs(Math.floor(source.uptimeMs()));
  const message = create(adminServerInfo.ServerInfoSchema, {
    version: source.version,
    state: adminServerInfo.ServerInfo_State[source.state()],
    uptimeCurrentEpoch: uptime,
    uptimeAllEpochs: uptime,
    hotRestartVersion: 'disabled',
    commandLineOptions: {
      concurrency: 1,
      mode: adminServerInfo.CommandLineOptions_Mode.Serve,
      serviceNode: source.node?.id ?? '',
      serviceCluster: source.node?.cluster ?? '',
    },
    ...(source.node && { node: source.node }),
  });
  return replyJson(adminServerInfo.ServerInfoSchema, message);
}
