// Sidecar injection as a pure function; used by the webhook, `lateen kube-inject` and the console.

export { createInjectConfig, type InjectConfig, type InjectConfigOptions, type InjectionPolicy } from './config.ts';
export { type Decision, type DecisionCode, decideByLabels, decideByPod } from './decision.ts';
export { type InjectObjectResult, injectObject } from './inject-object.ts';
export { type InjectPodInput, type InjectPodResult, injectPod } from './inject-pod.ts';
export {
  DEFAULT_VALUES,
  type InstallOverlay,
  installOverlayOf,
  overlayValues,
  parseSetFlag,
  parseSetFlags,
  type Values,
} from './values.ts';
export { parseInjectPath } from './webhook-path.ts';
