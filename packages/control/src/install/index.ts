export { type InstallOptions, installManifests } from './manifests.ts';
