// All groups: each is one Envoy start for each upstream protocol, and one golden file.

import type { Scene } from '../model.ts';
import { matching } from './matching.ts';

export const GROUPS: Record<string, readonly Scene[]> = { matching };
