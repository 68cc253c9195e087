// `lateen demo`: the samples, installed as the tutorials install them, until they answer through the gateway.

import { join } from 'node:path';
import { CodedError, delay, systemClock } from '@lateen/base';
import { type KubeClient, parseManifestsStrict } from '@lateen/kube';
import { readManifestFiles } from '../objects/manifest-files.ts';
import { applyObjects } from './apply-objects.ts';
import { type Dial, httpStatus } from './http-status.ts';
import type { Progress } from './progress.ts';
import { waitForDeployments } from './wait-for-deployments.ts';

export const DEMOS = ['bookinfo', 'gophers'] as const;
export type Demo = (typeof DEMOS)[number];

const FILES: Record<Demo, { apps: string[]; networking: string[]; path: string }> = {
  bookinfo: {
    apps: ['bookinfo/platform/kube/bookinfo.yaml'],
    networking: ['bookinfo/networking/bookinfo-gateway.yaml'],
    path: '/productpage',
  },
  gophers: {
    apps: ['gophers/gopher-requester/deployment.yaml', 'gophers/gopher-distributor/deployment.yaml'],
    networking: ['gophers/networking/gateway-and-rules.yaml'],
    path: '/',
  },
};
const READY_TIMEOUT_MS = 90_000;
const NAMESPACES = { group: '', version: 'v1', resource: 'namespaces', namespaced: false };

export type DemoOptions = {
  client: KubeClient;
  demo: Demo;
  /** The samples folder. */
  samples: string;
  /** Base URL of the ingress gateway. */
  gateway: string;
  /** Reaches the gateway's address when this process is not in the host's network. */
  dial?: Dial;
  progress: Progress;
  signal: AbortSignal;
};

/** Labels the default namespace, installs the sample and waits for its first answer. Safe to repeat. */
export async function installDemo({ client, demo, samples, gateway, dial, progress, signal }: DemoOptions): Promise<void> {
  const { apps, networking, path } = FILES[demo];
  const load = (files: string[]) =>
    readManifestFiles(files.map((file) => join(samples, file))).flatMap(({ file, text }) =>
      parseManifestsStrict(text, { file }).map(({ object }) => object),
    );
  const deployed = load(apps);
  await progress.step(`${demo} installed in namespace default (istio-injection=enabled)`, async () => {
    await client.patch(
      NAMESPACES,
      { name: 'default' },
      { type: 'merge', body: { metadata: { labels: { 'istio-injection': 'enabled' } } } },
    );
    await applyObjects(client, [...deployed, ...load(networking)]);
  });
  const names = deployed.filter(({ kind }) => kind === 'Deployment').map(({ metadata }) => metadata.name);
  await progress.step(`${names.length} deployments ready`, () =>
    waitForDeployments(client, 'default', { names, timeoutMs: READY_TIMEOUT_MS, signal }),
  );
  await progress.step(`${gateway}${path} answers`, () => waitForAnswer(`${gateway}${path}`, { dial, signal }));
}

/** Polls until the URL answers 200. @throws CodedError LAT7105 with the last answer. */
async function waitForAnswer(url: string, { dial, signal }: { dial: Dial | undefined; signal: AbortSignal }): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + READY_TIMEOUT_MS;
  for (;;) {
    const last = await httpStatus(url, dial);
    if (last === '200') return;
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new CodedError({
        code: 'LAT7105',
        what: `${url} does not answer`,
        why: `the last answer was ${last}`,
        fix: 'look at "lateen proxy-status" and the gateway\'s log',
      });
    }
    await delay(systemClock, 50, signal);
  }
}
