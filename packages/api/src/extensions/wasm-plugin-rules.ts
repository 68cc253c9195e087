// Semantic rules of WasmPlugin.

import type { Report } from '../findings/report.ts';
import { checkTargeting } from '../validate/selectors.ts';
import type { WasmPlugin } from './wasm-plugin.ts';

const SCHEMES = ['http', 'https', 'oci', 'file'];

export function checkWasmPlugin({ spec }: WasmPlugin, report: Report): void {
  checkTargeting(spec, report);
  report.check('spec.url', urlProblem(spec.url ?? ''));
  const names = new Set<string>();
  spec.vmConfig?.env?.forEach((variable, i) => {
    const path = `spec.vmConfig.env[${i}]`;
    if (names.has(variable.name)) report.error(`${path}.name`, `duplicate env: ${variable.name}`);
    names.add(variable.name);
    if (variable.valueFrom === 'HOST' && variable.value) report.error(`${path}.value`, 'value may only be set when valueFrom is INLINE');
  });
}

function urlProblem(url: string): string | undefined {
  if (url === '') return 'url field needs to be set';
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//.exec(url)?.[1];
  if (scheme && !SCHEMES.includes(scheme.toLowerCase())) return `url contains unsupported scheme: ${scheme}`;
  const whole = scheme ? url : `http://${url}`;
  return /[\s<>"^`{|}\\]|%(?![0-9a-fA-F]{2})/.test(whole) || (scheme !== undefined && url.length === scheme.length + 3)
    ? `failed to parse url: ${JSON.stringify(url.slice(0, 200))}`
    : undefined;
}
