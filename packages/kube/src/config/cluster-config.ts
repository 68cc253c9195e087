// Where an API server is and how to prove who we are; the result of reading a kubeconfig or a pod's service account.

export type ExecCredentialPlugin = {
  apiVersion: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  installHint: string | undefined;
  provideClusterInfo: boolean;
};

export type Credentials =
  | { kind: 'none' }
  | { kind: 'token'; token: string }
  /** Read again every minute, since kubelet rotates it. */
  | { kind: 'tokenFile'; path: string }
  | { kind: 'certificate'; cert: string; key: string }
  | { kind: 'basic'; username: string; password: string }
  | { kind: 'exec'; plugin: ExecCredentialPlugin };

export type ClusterConfig = {
  /** http(s) URL, with a path prefix at most. */
  server: string;
  /** PEM; undefined trusts the system's authorities. */
  ca?: string;
  insecureSkipTlsVerify?: boolean;
  tlsServerName?: string;
  credentials: Credentials;
  /** The context's namespace, default "default". */
  namespace: string;
  /** For messages: the context's name, "in-cluster". */
  description: string;
};
