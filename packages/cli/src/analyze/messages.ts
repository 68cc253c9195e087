// Findings as istioctl prints them: one line each, or a list of messages as JSON or YAML.

import { type Finding, formatFinding, formatResourceRef } from '@lateen/api';
import type { Loaded, Problem } from './load-manifests.ts';

const LEVELS = { error: 'Error', warning: 'Warning', info: 'Info' } as const;

/** The pages about Istio's codes. */
export const DOCUMENTATION_URL = 'https://istio.io/latest/docs/reference/config/analysis';

/** A message of `istioctl analyze -o json`, with field and fix beside. */
export type AnalysisMessage = {
  code: string;
  level: 'Error' | 'Warning' | 'Info';
  message: string;
  origin?: string;
  reference?: string;
  documentationUrl?: string;
  path?: string;
  fix?: string;
};

export function messageOfFinding({ code, level, message, resource, line, path, fix }: Finding): AnalysisMessage {
  return {
    code,
    level: LEVELS[level],
    message,
    ...(resource ? { origin: formatResourceRef(resource) } : {}),
    ...(resource?.file ? { reference: line === undefined ? resource.file : `${resource.file}:${line}` } : {}),
    ...(code.startsWith('IST') ? { documentationUrl: `${DOCUMENTATION_URL}/${code.toLowerCase()}/?ref=istioctl-analyze` } : {}),
    ...(path ? { path } : {}),
    ...(fix ? { fix } : {}),
  };
}

/** A document that could not be read, as a message. */
export function messageOfProblem({ file, line, message, fix }: Problem): AnalysisMessage {
  return { code: 'IST0106', level: 'Error', message, reference: `${file}:${line}`, ...(fix ? { fix } : {}) };
}

/** The line of a finding, and what can be done about it below. */
export function renderFinding(finding: Finding): string {
  return `${formatFinding(finding)}\n${finding.fix ? indent(`fix: ${finding.fix}`, '    ') : ''}`;
}

/** `Error: N errors occurred:` and one starred line each, as Go's multierror does. */
export function renderErrors(lines: string[], head = 'Error: '): string {
  const count = lines.length === 1 ? '1 error' : `${lines.length} errors`;
  return `${head}${count} occurred:\n${lines.map((line) => `\t* ${line.replaceAll('\n', '\n\t  ')}\n`).join('')}\n`;
}

/** `Kind/namespace/name: path: message`, the form of istioctl validate. */
export function errorLine({ resource, path, message, fix }: Finding): string {
  const object = `${resource?.kind ?? ''}/${resource?.namespace ?? ''}/${resource?.name ?? ''}`;
  const place = path && !message.includes(path) ? `${path}: ` : '';
  return `${object}: ${place}${message}${fix ? `\n${fix}` : ''}`;
}

/** Documents indented again, for people to look at; empty when none could be repaired. */
export function renderRepairs({ repairs }: Loaded): string {
  return repairs.map(({ file, text }) => `Probably meant in ${file}:\n${indent(text.trimEnd(), '    ')}`).join('');
}

const indent = (text: string, by: string): string => text.replace(/^/gm, by).concat('\n');
