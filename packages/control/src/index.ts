export { type ControlPlaneArguments, parseControlPlaneArgs } from './arguments.ts';
export { type ConfigurationSource, type ControlPlane, type ControlPlaneOptions, startControlPlane } from './control.ts';
export { runControlPlane } from './main.ts';
export { type ControlSettings, readSettings } from './settings.ts';
