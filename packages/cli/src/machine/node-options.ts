import type { NetworkMode } from '@lateen/cluster/host';
import type { Demo } from './demos.ts';

/** What the host-side parent tells the node process, as JSON in its environment. */
export type NodeOptions = {
  stateDir: string;
  network: { mode: NetworkMode; reason: string };
  catalogueFiles: string[];
  samples: string;
  apiPort: number;
  /** The port that the ingress gateway's Service gets for plain HTTP: 80 where it can be bound, else 8080. */
  gatewayHttpPort: number;
  demo: Demo | undefined;
  compileCache: string | undefined;
};

/** What the node process tells the parent. */
export type NodeReport =
  | { kind: 'text'; text: string }
  | { kind: 'ready'; apiServer: string; kubeconfig: string; gateway: string | undefined }
  /** The start failed; rendered for people. */
  | { kind: 'failed'; text: string };

export const NODE_OPTIONS_VARIABLE = 'LATEEN_NODE';
