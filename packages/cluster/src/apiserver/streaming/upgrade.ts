import type { Logger } from '@lateen/base';
import type { NodeApi } from '../../contracts.ts';
import type { Upgrade } from '../http/https-server.ts';
import type { Core } from '../rest/call.ts';
import { pathNotFound } from '../status.ts';

export function createUpgradeHandler(_options: { core: Core; nodeApi: NodeApi; logger: Logger }): Upgrade {
  return async () => {
    throw pathNotFound();
  };
}
