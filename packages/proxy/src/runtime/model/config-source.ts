// Where a resource of the configuration is asked for.

/** `initialFetchTimeoutMs`: how long those who need the resource wait for the first answer; 0 = for ever. */
export type ConfigSourceRuntime =
  | { readonly kind: 'ads'; readonly initialFetchTimeoutMs: number }
  /** A stream for this type of resource alone, to a static cluster. */
  | {
      readonly kind: 'grpc';
      readonly clusterName: string;
      readonly protocol: 'sotw' | 'delta';
      readonly initialFetchTimeoutMs: number;
    }
  /** A file with a DiscoveryResponse; empty `watchedDirectory`: the file itself is watched. */
  | { readonly kind: 'path'; readonly path: string; readonly watchedDirectory: string };
