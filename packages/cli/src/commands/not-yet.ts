// istioctl's commands that tutorials name and that this program does not have: the answer says what stands in for them.

import { CodedError } from '@lateen/base';
import { Command } from 'commander';

const INSTEAD: Readonly<Record<string, string>> = {
  install: '"lateen up" has installed the mesh already; installation on a cluster of your own is not there yet',
  uninstall: '"lateen down --purge" removes the mesh with its objects',
  upgrade: 'check out a newer version and start it again: objects are kept',
  dashboard: 'there is no console yet; see "lateen proxy-status", "lateen proxy-config" and the metrics on port 15020 of every sidecar',
  'create-remote-secret': 'meshes of several clusters are not there yet',
  waypoint: 'ambient mode is not there yet; sidecars are',
  'ztunnel-config': 'ambient mode is not there yet; sidecars are',
};

/** One hidden command for each name: fails with what to do instead. */
export function notYetCommands(): Command[] {
  return Object.entries(INSTEAD).map(([name, fix]) =>
    new Command(name)
      .description('not supported yet')
      .allowUnknownOption()
      .argument('[arguments...]')
      .action(() => {
        throw new CodedError({ code: 'LAT7106', what: `"${name}" is not supported yet`, fix });
      }),
  );
}
