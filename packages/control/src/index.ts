export { type ConfigurationSource, type ControlPlane, type ControlPlaneOptions, startControlPlane } from './control.ts';
export { type InstallOptions, installManifests } from './install/index.ts';
export { runControlPlane } from './main.ts';
