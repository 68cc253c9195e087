// An Envoy-shaped /config_dump as plain JSON. Envoy writes proto field names in snake_case, protobuf's JSON mapping in
// camelCase; both occur in files that people keep, so every field is read by either name.

import { CodedError, isObject } from '@lateen/base';

export type DumpObject = Record<string, unknown>;

export type ConfigDump = {
  listeners: DumpObject[];
  clusters: DumpObject[];
  routes: DumpObject[];
  endpoints: DumpObject[];
};

/** A field by its snake_case name, whichever way the dump spells it. */
export function field(object: unknown, name: string): unknown {
  if (!isObject(object)) return undefined;
  if (Object.hasOwn(object, name)) return object[name];
  const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(object, camel) ? object[camel] : undefined;
}

/** Follows several fields; undefined as soon as one is missing. */
export function path(object: unknown, ...names: string[]): unknown {
  return names.reduce(field, object);
}

export function list(object: unknown, name: string): DumpObject[] {
  const value = field(object, name);
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function text(object: unknown, ...names: string[]): string {
  const value = path(object, ...names);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Collects the active resources out of a dump's sections. @throws CodedError LAT7201 when it is not a config dump. */
export function parseConfigDump(value: unknown): ConfigDump {
  const sections = list(value, 'configs');
  if (sections.length === 0) {
    throw new CodedError({
      code: 'LAT7201',
      what: 'this is not a config dump',
      why: 'it has no "configs"',
      fix: "give the output of a proxy's /config_dump",
    });
  }
  const section = (name: string) => sections.find((one) => text(one, '@type').endsWith(`.${name}`));
  const listeners = section('ListenersConfigDump');
  const clusters = section('ClustersConfigDump');
  const routes = section('RoutesConfigDump');
  const endpoints = section('EndpointsConfigDump');
  const inner = (items: DumpObject[], ...names: string[]) => items.map((item) => path(item, ...names)).filter(isObject);
  return {
    listeners: [
      ...inner(list(listeners, 'dynamic_listeners'), 'active_state', 'listener'),
      ...inner(list(listeners, 'static_listeners'), 'listener'),
    ],
    clusters: [...inner(list(clusters, 'dynamic_active_clusters'), 'cluster'), ...inner(list(clusters, 'static_clusters'), 'cluster')],
    routes: [
      ...inner(list(routes, 'dynamic_route_configs'), 'route_config'),
      ...inner(list(routes, 'static_route_configs'), 'route_config'),
    ],
    endpoints: [
      ...inner(list(endpoints, 'dynamic_endpoint_configs'), 'endpoint_config'),
      ...inner(list(endpoints, 'static_endpoint_configs'), 'endpoint_config'),
    ],
  };
}
