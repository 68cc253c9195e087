// What the server knows of one resource in one version: everything that differs between kinds is data here.

import type { KubeObject, TableColumnDefinition } from '@lateen/kube/types';
import type { ObjectSchema } from '../schema/schema.ts';
import type { FieldError } from '../status.ts';

export const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;
export type Verb = (typeof ALL_VERBS)[number];

/** Names and shape of a subresource in discovery. */
export type Subresource = { kind: string; group?: string; version?: string; verbs: readonly string[] };

export type Column = Pick<TableColumnDefinition, 'name' | 'type'> & {
  format?: string;
  priority?: number;
  description?: string;
  /** The cell; `nowMs` is for ages. */
  value(object: KubeObject, nowMs: number): unknown;
};

export type Resource = {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  listKind: string;
  namespaced: boolean;
  shortNames: readonly string[];
  categories: readonly string[];
  verbs: readonly Verb[];
  subresources: ReadonlyMap<string, Subresource>;
  schema: ObjectSchema;
  /** Where its objects lie in the store; versions and groups may share it. */
  storage: string;
  /** Built-in kinds keep what they were stored as; custom ones are pruned and validated by their definition. */
  custom: CustomVersion | undefined;
  columns: readonly Column[];
  /** Fills in what Kubernetes defaults, in place. */
  applyDefaults(object: KubeObject): void;
  /** Semantic errors of the new object; `old` is what it replaces. */
  validate(object: KubeObject, old: KubeObject | undefined): FieldError[];
  /** From the stored form to this version, and back. Default: apiVersion only. */
  fromStorage(object: KubeObject): KubeObject;
  toStorage(object: KubeObject): KubeObject;
};

export type CustomVersion = {
  /** Name of the definition. */
  definition: string;
  scale: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string } | undefined;
  deprecationWarning: string | undefined;
};

export const apiVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? version : `${group}/${version}`;
