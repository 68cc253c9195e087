// CustomResourceDefinitions of every kind, made from the schemas.

import { KINDS, type KindInfo, type PrinterColumn } from '../kinds.ts';
import { type OpenApiSchema, toOpenApi } from './open-api.ts';
import { statusSchema } from './status.ts';

export type CrdVersion = {
  name: string;
  served: boolean;
  storage: boolean;
  additionalPrinterColumns: { name: string; type: string; description: string; jsonPath: string }[];
  schema: { openAPIV3Schema: OpenApiSchema };
  subresources: { status: Record<string, never> };
};

/** apiextensions.k8s.io/v1 CustomResourceDefinition, as far as these use it. */
export type CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1';
  kind: 'CustomResourceDefinition';
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
  spec: {
    group: string;
    names: { kind: string; listKind: string; plural: string; singular: string; shortNames?: string[]; categories: string[] };
    scope: 'Namespaced';
    conversion: { strategy: 'None' };
    versions: CrdVersion[];
  };
};

/** Labels of Istio's own CRDs: Helm and uninstall scripts find them by these. */
const LABELS = { app: 'istio-pilot', chart: 'istio', heritage: 'Tiller', release: 'istio' };

/** One definition per kind, in the order of `KINDS`. A fresh value on every call. */
export function crds(): CustomResourceDefinition[] {
  return KINDS.map(crdOf);
}

function crdOf(info: KindInfo): CustomResourceDefinition {
  const { group, kind, plural, singular, shortNames } = info;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { ...LABELS }, annotations: { 'helm.sh/resource-policy': 'keep' } },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        ...(shortNames.length > 0 ? { shortNames: [...shortNames] } : {}),
        // "networking-istio-io": `kubectl get networking-istio-io` lists the whole group.
        categories: ['istio-io', group.replaceAll('.', '-')],
      },
      scope: 'Namespaced',
      conversion: { strategy: 'None' },
      versions: info.versions.map((name, i) => versionOf(info, { name, storage: i === 0 })),
    },
  };
}

function versionOf(info: KindInfo, { name, storage }: { name: string; storage: boolean }): CrdVersion {
  return {
    name,
    served: true,
    storage,
    additionalPrinterColumns: [...info.printerColumns.map(textColumn), AGE],
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: toOpenApi(info.schema), status: statusSchema(info.kind) },
        ...(info.specRequired ? { required: ['spec'] } : {}),
      },
    },
    subresources: { status: {} },
  };
}

const textColumn = ({ name, jsonPath, description }: PrinterColumn) => ({ name, type: 'string', description, jsonPath });
const AGE = { name: 'Age', type: 'date', description: 'Time since the object was created', jsonPath: '.metadata.creationTimestamp' };
