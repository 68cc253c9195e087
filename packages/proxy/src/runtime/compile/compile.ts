// One resource in, its compiled form or every reason against it out.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { fail, ok, type Result } from '@lateen/base';
import {
  type Cluster,
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  type Listener,
  ListenerSchema,
  type RouteConfiguration,
  RouteConfigurationSchema,
  type Secret,
  SecretSchema,
} from '@lateen/xds/messages/proxy';
import type { ClusterRuntime, EndpointsRuntime, ListenerRuntime, RouteTable, SecretPlan } from '../model.ts';
import { compileCluster as cluster } from './cluster.ts';
import { compileEndpoints as endpoints } from './endpoints.ts';
import { checkFieldRules } from './field-rules.ts';
import { compileListener as listener } from './listener.ts';
import { createReport, type Report } from './report.ts';
import { compileRouteTable as routeTable } from './route-table.ts';
import { compileSecret as secret } from './secret.ts';

/** Reasons read `listener "0.0.0.0_80": filter_chains[0].filters[0]: reason`. */
export type Compiled<T> = Result<T, readonly string[]>;

type Subject<Desc extends DescMessage> = { readonly schema: Desc; readonly name: string };

function compile<Desc extends DescMessage, T>(
  { schema, name }: Subject<Desc>,
  message: MessageShape<Desc>,
  run: (message: MessageShape<Desc>, report: Report) => T,
): Compiled<T> {
  const { report, reasons } = createReport(name);
  checkFieldRules(schema, message, report);
  const value = run(message, report);
  return reasons.length > 0 ? fail(reasons) : ok(value);
}

/** `previous`: the listener so far; filter chains that did not change are the same objects in the new one. */
export const compileListener = (
  message: Listener,
  previous?: { readonly message: Listener; readonly compiled: ListenerRuntime },
): Compiled<ListenerRuntime> =>
  compile({ schema: ListenerSchema, name: `listener ${JSON.stringify(message.name)}` }, message, (one, report) =>
    listener(one, report, previous),
  );

export const compileRouteTable = (message: RouteConfiguration): Compiled<RouteTable> =>
  compile({ schema: RouteConfigurationSchema, name: `route configuration ${JSON.stringify(message.name)}` }, message, routeTable);

export const compileCluster = (message: Cluster): Compiled<ClusterRuntime> =>
  compile({ schema: ClusterSchema, name: `cluster ${JSON.stringify(message.name)}` }, message, cluster);

export const compileEndpoints = (message: ClusterLoadAssignment): Compiled<EndpointsRuntime> =>
  compile({ schema: ClusterLoadAssignmentSchema, name: `endpoints ${JSON.stringify(message.clusterName)}` }, message, endpoints);

/** A plan, because a secret may be in files of the place where the proxy runs. */
export const compileSecret = (message: Secret): Compiled<SecretPlan> => {
  const compiled = compile({ schema: SecretSchema, name: `secret ${JSON.stringify(message.name)}` }, message, secret);
  return compiled.ok && compiled.value === undefined ? fail(['empty']) : (compiled as Compiled<SecretPlan>);
};
