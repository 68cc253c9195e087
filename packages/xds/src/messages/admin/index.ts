// Messages of the admin interface and the bootstrap. Apart from the others because few processes need them and they are large.

export * as adminCerts from '../gen/envoy/admin/v3/certs_pb.ts';
export * as adminClusters from '../gen/envoy/admin/v3/clusters_pb.ts';
export * as adminConfigDump from '../gen/envoy/admin/v3/config_dump_pb.ts';
export * as adminConfigDumpShared from '../gen/envoy/admin/v3/config_dump_shared_pb.ts';
export * as adminInitDump from '../gen/envoy/admin/v3/init_dump_pb.ts';
export * as adminListeners from '../gen/envoy/admin/v3/listeners_pb.ts';
export * as adminMemory from '../gen/envoy/admin/v3/memory_pb.ts';
export * as adminMetrics from '../gen/envoy/admin/v3/metrics_pb.ts';
export * as adminMutexStats from '../gen/envoy/admin/v3/mutex_stats_pb.ts';
export * as adminServerInfo from '../gen/envoy/admin/v3/server_info_pb.ts';
export * from '../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
export * as configOverload from '../gen/envoy/config/overload/v3/overload_pb.ts';
export * as downstreamConnectionsMonitor from '../gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.ts';
export * as fixedHeapMonitor from '../gen/envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap_pb.ts';
export * as serviceStatusCsds from '../gen/envoy/service/status/v3/csds_pb.ts';
