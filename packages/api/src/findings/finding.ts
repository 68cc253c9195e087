// What validation and analysis tell people: one finding is one problem at one place of one object.

/** `error`: admission refuses the object. `warning`: it probably does not do what was meant. `info`: worth knowing. */
export type FindingLevel = 'error' | 'warning' | 'info';

/** The object a finding is about. */
export type ResourceRef = {
  apiVersion?: string;
  kind: string;
  namespace?: string;
  name: string;
  /** File it was read from, when it was. */
  file?: string;
};

export type Finding = {
  /** Catalogue code: Istio's IST…, or Lateen's own LAT…. */
  code: string;
  level: FindingLevel;
  /** Field path from the object's root, e.g. `spec.http[0].route[1].weight`; empty for the whole object. */
  path: string;
  message: string;
  /** What the reader can do. */
  fix?: string;
  resource?: ResourceRef;
  /** Line in `resource.file`, from 1. */
  line?: number;
};

/** Upper-case level as istioctl prints it. */
const LEVEL_NAMES: Record<FindingLevel, string> = { error: 'Error', warning: 'Warning', info: 'Info' };

/** `Kind namespace/name`, or `Kind name` without a namespace. */
export function formatResourceRef(ref: ResourceRef): string {
  return `${ref.kind} ${ref.namespace ? `${ref.namespace}/` : ''}${ref.name}`;
}

/** One line in istioctl's form: `Error [IST0101] (VirtualService default/reviews reviews.yaml:12) Referenced host not found: "x"`. */
export function formatFinding(finding: Finding): string {
  const { resource } = finding;
  const place = resource?.file ? ` ${resource.file}${finding.line ? `:${finding.line}` : ''}` : '';
  const origin = resource ? ` (${formatResourceRef(resource)}${place})` : '';
  return `${LEVEL_NAMES[finding.level]} [${finding.code}]${origin} ${finding.message}`;
}

/** Orders by severity, then by place, so that output does not depend on the order of checks. */
export function compareFindings(a: Finding, b: Finding): number {
  const severity = { error: 0, warning: 1, info: 2 };
  if (a.level !== b.level) return severity[a.level] - severity[b.level];
  return keyOf(a) < keyOf(b) ? -1 : 1;
}

const keyOf = (finding: Finding): string =>
  [finding.code, finding.resource ? formatResourceRef(finding.resource) : '', finding.path, finding.message].join('\u0000');
