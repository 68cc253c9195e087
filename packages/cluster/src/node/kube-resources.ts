// How the built-in kinds that the node and the controllers touch are addressed.

import type { ResourceRef } from '@lateen/kube/types';

const namespaced = (group: string, resource: string): ResourceRef => ({ group, version: 'v1', resource, namespaced: true });

export const PODS = namespaced('', 'pods');
export const SERVICES = namespaced('', 'services');
export const ENDPOINTS = namespaced('', 'endpoints');
export const EVENTS = namespaced('', 'events');
export const CONFIG_MAPS = namespaced('', 'configmaps');
export const SECRETS = namespaced('', 'secrets');
export const SERVICE_ACCOUNTS = namespaced('', 'serviceaccounts');
export const NODES: ResourceRef = { group: '', version: 'v1', resource: 'nodes', namespaced: false };
export const ENDPOINT_SLICES = namespaced('discovery.k8s.io', 'endpointslices');
export const DEPLOYMENTS = namespaced('apps', 'deployments');
export const REPLICA_SETS = namespaced('apps', 'replicasets');
export const STATEFUL_SETS = namespaced('apps', 'statefulsets');
export const DAEMON_SETS = namespaced('apps', 'daemonsets');
export const CONTROLLER_REVISIONS = namespaced('apps', 'controllerrevisions');
export const JOBS = namespaced('batch', 'jobs');
export const CRON_JOBS = namespaced('batch', 'cronjobs');
