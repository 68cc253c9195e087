// Where a write is looked at, changed or refused before it is stored: built-in plugins, then the webhooks.

import type { KubeObject, UserInfo } from '@lateen/kube/types';
import type { Resource } from '../registry/resource.ts';

export type Attributes = {
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  resource: Resource;
  subresource: string | undefined;
  namespace: string | undefined;
  name: string;
  object: KubeObject | undefined;
  oldObject: KubeObject | undefined;
  user: UserInfo;
  dryRun: boolean;
  /** The request's CreateOptions, UpdateOptions or DeleteOptions. */
  options: Record<string, unknown>;
  /** Collects what becomes `Warning:` headers. */
  warnings: string[];
};

export type Admission = {
  /** The object as the plugins and mutating webhooks leave it. @throws ApiError when one denies */
  mutate(attributes: Attributes): Promise<KubeObject | undefined>;
  /** @throws ApiError when one denies */
  validate(attributes: Attributes): Promise<void>;
};
