export * from './endpoint.ts';
export * from './finding.ts';
export * from './host-name.ts';
export type * from './istio.ts';
export * from './mesh-config.ts';
export * from './protocol.ts';
export * from './service.ts';
export * from './snapshot.ts';
export * from './source.ts';
