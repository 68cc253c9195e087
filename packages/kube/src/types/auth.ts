// authentication.k8s.io/v1, authorization.k8s.io/v1 and rbac.authorization.k8s.io/v1.

import type { LabelSelector, ObjectMeta, TypeMeta } from './meta.ts';

export type UserInfo = { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };

export type TokenReview = TypeMeta & {
  metadata?: Partial<ObjectMeta>;
  spec: { token?: string; audiences?: string[] };
  status?: { authenticated?: boolean; user?: UserInfo; audiences?: string[]; error?: string };
};

/** The `token` subresource of a service account. */
export type TokenRequest = TypeMeta & {
  metadata?: Partial<ObjectMeta>;
  spec: {
    audiences: string[];
    expirationSeconds?: number;
    boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
  };
  status?: { token: string; expirationTimestamp: string };
};

export type ResourceAttributes = {
  namespace?: string;
  verb?: string;
  group?: string;
  version?: string;
  resource?: string;
  subresource?: string;
  name?: string;
};
/** Also SelfSubjectAccessReview, whose spec has no user. */
export type SubjectAccessReview = TypeMeta & {
  metadata?: Partial<ObjectMeta>;
  spec: {
    resourceAttributes?: ResourceAttributes;
    nonResourceAttributes?: { path?: string; verb?: string };
    user?: string;
    groups?: string[];
    uid?: string;
    extra?: Record<string, string[]>;
  };
  status?: { allowed: boolean; denied?: boolean; reason?: string; evaluationError?: string };
};

export type PolicyRule = {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
};
export type RbacSubject = { kind: string; apiGroup?: string; name: string; namespace?: string };
export type RoleRef = { apiGroup: string; kind: string; name: string };
export type Role = TypeMeta & { metadata: ObjectMeta; rules?: PolicyRule[] };
export type ClusterRole = Role & { aggregationRule?: { clusterRoleSelectors?: LabelSelector[] } };
/** RoleBinding and ClusterRoleBinding. */
export type RoleBinding = TypeMeta & { metadata: ObjectMeta; subjects?: RbacSubject[]; roleRef: RoleRef };
