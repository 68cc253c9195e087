// All groups: each is one Envoy start for each upstream protocol, and one golden file.

import type { Scene } from '../model.ts';
import { actions } from './actions.ts';
import { callers } from './callers.ts';
import { edge } from './edge.ts';
import { facts } from './facts.ts';
import { filters } from './filters.ts';
import { grpcWeb } from './grpc-web.ts';
import { headers } from './headers.ts';
import { letterCase } from './letter-case.ts';
import { matching } from './matching.ts';
import { messages } from './messages.ts';
import { noted } from './noted.ts';
import { policies } from './policies.ts';
import { resilience } from './resilience.ts';
import { routing } from './routing.ts';
import { runtimeKeys } from './runtime-keys.ts';

export const GROUPS: Record<string, readonly Scene[]> = {
  matching,
  actions,
  headers,
  resilience,
  edge,
  messages,
  callers,
  filters,
  'grpc-web': grpcWeb,
  'letter-case': letterCase,
  policies,
  noted,
  routing,
  'runtime-keys': runtimeKeys,
  facts,
};
