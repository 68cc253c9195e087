// Resources that a CustomResourceDefinition declares, one per served version. Conversion is strategy None: versions differ in
// apiVersion and schema only.

import type { AdditionalPrinterColumn, CustomResourceDefinition, CustomResourceDefinitionVersion, KubeObject } from '@lateen/kube/types';
import { applySchemaDefaults } from '../crd/default.ts';
import { validateSchema } from '../crd/validate.ts';
import { customSchema } from '../schema/structural.ts';
import { ageColumn, nameColumn } from '../table/columns.ts';
import { jsonPathText } from '../table/json-path.ts';
import { ALL_VERBS, type Column, type Resource, type Subresource } from './resource.ts';

const READ_WRITE = ['get', 'patch', 'update'];

/** The resources of a definition's served versions, highest priority first as they stand. */
export function customResources(definition: CustomResourceDefinition): Resource[] {
  return definition.spec.versions.filter((version) => version.served).map((version) => resourceOf(definition, version));
}

function resourceOf(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion): Resource {
  const { group, names } = definition.spec;
  const openApi = version.schema?.openAPIV3Schema;
  const apiVersion = `${group}/${version.name}`;
  const storageVersion = `${group}/${definition.spec.versions.find((one) => one.storage)?.name ?? version.name}`;
  const warning = version.deprecated ? (version.deprecationWarning ?? `${apiVersion} ${names.kind} is deprecated`) : undefined;
  return {
    group,
    version: version.name,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    namespaced: definition.spec.scope === 'Namespaced',
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: ALL_VERBS,
    subresources: subresourcesOf(names.kind, version),
    schema: customSchema(openApi),
    storage: `${names.plural}.${group}`,
    custom: { definition: definition.metadata.name, scale: version.subresources?.scale, deprecationWarning: warning },
    columns: columnsOf(version.additionalPrinterColumns),
    applyDefaults: (object) => {
      if (openApi) applySchemaDefaults(object, openApi);
    },
    validate: (object) => (openApi ? validateSchema(object, openApi) : []),
    fromStorage: (object) => withVersion(object, apiVersion),
    toStorage: (object) => withVersion(object, storageVersion),
  };
}

const withVersion = (object: KubeObject, apiVersion: string): KubeObject =>
  object.apiVersion === apiVersion ? object : { ...object, apiVersion };

function subresourcesOf(kind: string, version: CustomResourceDefinitionVersion): Map<string, Subresource> {
  const subresources = new Map<string, Subresource>();
  if (version.subresources?.status) subresources.set('status', { kind, verbs: READ_WRITE });
  if (version.subresources?.scale) subresources.set('scale', { kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: READ_WRITE });
  return subresources;
}

function columnsOf(declared: AdditionalPrinterColumn[] | undefined): Column[] {
  if (!declared || declared.length === 0) return [nameColumn, ageColumn];
  return [
    nameColumn,
    ...declared.map(
      (column): Column => ({
        name: column.name,
        type: column.type,
        ...(column.format === undefined ? {} : { format: column.format }),
        ...(column.priority === undefined ? {} : { priority: column.priority }),
        description: column.description ?? '',
        value: (object, nowMs) => jsonPathText(object, column, nowMs),
      }),
    ),
  ];
}
