// A node agent over the real API server and the host's network, for tests.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { silentLogger, systemClock } from '@lateen/base';
import type { KubeEvent, Pod, PodSpec } from '@lateen/kube/types';
import type { BuiltinContainer, NodeApi } from '../../contracts.ts';
import { createImageCatalogue } from '../image-catalogue.ts';
import { EVENTS, PODS } from '../kube-resources.ts';
import { createNodeAgent, type NodeAgent } from '../node-agent.ts';
import { startTestApiServer, type TestClient } from './api-server.ts';
import { createHostNetwork, type HostNetwork } from './host-network.ts';

export const NODE_NAME = 'lateen';

const CATALOGUE = `
- {image: shell, entrypoint: [/bin/sh, -c], description: a shell}
- {image: node, entrypoint: ["\${node}"], description: this Node}
- {image: istio/proxyv2, builtin: istio-proxy, description: the sidecar}
- {image: istio/init, builtin: istio-init, description: capture}
`;

export type AgentFixture = {
  client: TestClient;
  network: HostNetwork;
  stateDir: string;
  agent: NodeAgent;
  /** Starts another agent on the same state, as a new process would. */
  restart(): Promise<void>;
  /** Stores a pod bound to the node. */
  createPod(name: string, spec: Partial<PodSpec>, annotations?: Record<string, string>): Promise<Pod>;
  pod(name: string): Pod;
  events(reason: string): string[];
  logs(name: string, options?: { container?: string; previous?: boolean; follow?: boolean; tailLines?: number }): Promise<string>;
};

/** Everything is gone when the test ends. */
export async function startAgent(t: TestContext, builtins: Record<string, BuiltinContainer> = {}): Promise<AgentFixture> {
  const stateDir = mkdtempSync(join(tmpdir(), 'lateen-node-'));
  const catalogueFile = join(stateDir, 'catalogue.yaml');
  writeFileSync(catalogueFile, CATALOGUE);
  // The API server asks whichever agent runs now.
  const nodeApi: NodeApi = {
    logs: (...args) => fixture.agent.nodeApi.logs(...args),
    exec: (...args) => fixture.agent.nodeApi.exec(...args),
    attach: (...args) => fixture.agent.nodeApi.attach(...args),
    portForward: (...args) => fixture.agent.nodeApi.portForward(...args),
  };
  const server = await startTestApiServer(join(stateDir, 'keys'), nodeApi);
  const { client } = server;
  const network = createHostNetwork();
  const create = () =>
    createNodeAgent({
      client,
      network,
      catalogue: createImageCatalogue([catalogueFile]),
      builtins,
      stateDir,
      nodeName: NODE_NAME,
      clock: systemClock,
      logger: silentLogger,
    });
  const fixture: AgentFixture = {
    client,
    network,
    stateDir,
    agent: create(),
    async restart() {
      fixture.agent = create();
      await fixture.agent.start();
    },
    createPod: (name, spec, annotations) =>
      client.create<Pod>(PODS, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default', ...(annotations && { annotations }) },
        spec: { nodeName: NODE_NAME, containers: [], terminationGracePeriodSeconds: 5, ...spec },
      }),
    pod(name) {
      const found = client.find<Pod>(PODS, name, 'default');
      if (!found) throw new Error(`no pod ${name}`);
      return found;
    },
    events: (reason) =>
      client
        .all<KubeEvent>(EVENTS)
        .filter((event) => event.reason === reason)
        .map((event) => event.message ?? ''),
    async logs(name, { container, previous = false, follow = false, tailLines } = {}) {
      const ref = { namespace: 'default', name, container };
      const options = {
        follow,
        previous,
        timestamps: false,
        tailLines,
        sinceSeconds: undefined,
        sinceTime: undefined,
        limitBytes: undefined,
      };
      const chunks: Buffer[] = [];
      for await (const chunk of await fixture.agent.nodeApi.logs(ref, options, new AbortController().signal))
        chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks).toString();
    },
  };
  t.after(async () => {
    await fixture.agent.close();
    await server.close();
    rmSync(stateDir, { recursive: true, force: true });
  });
  await fixture.agent.start();
  return fixture;
}
