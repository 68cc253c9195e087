// HTTP connection managers, with Istio's settings.

import { create } from '@bufbuild/protobuf';
import {
  type Filter,
  FilterSchema,
  HttpConnectionManager_CodecType,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
  type RouteConfiguration,
} from '@lateen/xds/messages/config';
import type { PathNormalization, Protocol } from '../model/index.ts';
import { accessLogs } from './access-log.ts';
import { type FilterPlace, httpFilters } from './http-filters.ts';
import { adsSource, durationOf, extension, type InitOf } from './pack.ts';
import { managerHeaders } from './proxy-headers.ts';
import { sideOf } from './telemetry.ts';
import type { View } from './view.ts';

const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';

export type ConnectionManagerOptions = {
  place: FilterPlace;
  statPrefix: string;
  /** A route configuration of its own, or the name of one to ask for. */
  routes: RouteConfiguration | string;
  /** Of the port; several services at one address have that of the oldest. */
  protocol: Protocol | undefined;
};

export function httpConnectionManager(view: View, { place, statPrefix, routes, protocol }: ConnectionManagerOptions): Filter {
  return create(
    FilterSchema,
    extension(HTTP_CONNECTION_MANAGER, HttpConnectionManagerSchema, {
      codecType: HttpConnectionManager_CodecType.AUTO,
      statPrefix,
      routeSpecifier:
        typeof routes === 'string'
          ? { case: 'rds', value: { configSource: adsSource(), routeConfigName: routes } }
          : { case: 'routeConfig', value: routes },
      httpFilters: httpFilters(view, place, protocol),
      // Streams may be idle for as long as the application likes.
      streamIdleTimeout: durationOf(0),
      upgradeConfigs: [{ upgradeType: 'websocket' }],
      accessLog: accessLogs(view, sideOf(place)),
      useRemoteAddress: place === 'gateway',
      ...normalization(view.snapshot.mesh.pathNormalization?.normalization),
      ...managerHeaders(view.proxyHeaders, view.gatewayTopology, place),
    }),
  );
}

function normalization(mode: PathNormalization | undefined): InitOf<typeof HttpConnectionManagerSchema> {
  const { KEEP_UNCHANGED, UNESCAPE_AND_FORWARD } = HttpConnectionManager_PathWithEscapedSlashesAction;
  switch (mode) {
    case 'NONE':
      return { normalizePath: false, pathWithEscapedSlashesAction: KEEP_UNCHANGED };
    case 'MERGE_SLASHES':
      return { normalizePath: true, mergeSlashes: true, pathWithEscapedSlashesAction: KEEP_UNCHANGED };
    case 'DECODE_AND_MERGE_SLASHES':
      return { normalizePath: true, mergeSlashes: true, pathWithEscapedSlashesAction: UNESCAPE_AND_FORWARD };
    default:
      return { normalizePath: true, pathWithEscapedSlashesAction: KEEP_UNCHANGED };
  }
}
