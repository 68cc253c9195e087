// Everything that is wrong with one object by itself: `lateen validate`, the validating webhook and `analyze` start here.

import { isObject } from '@lateen/base';
import { compareFindings, type Finding, type ResourceRef } from '../findings/finding.ts';
import { Report } from '../findings/report.ts';
import { KINDS, type KindInfo, kindOf, kindOfObject } from '../kinds.ts';
import type { KubeObjectLike, Resource } from '../kube-object.ts';
import { checkSchema } from '../schema/check.ts';
import { closestName } from '../schema/suggest.ts';
import { checkTopLevel } from './top-level.ts';

/** Groups of kinds this package knows all of. */
const GROUPS = new Set(KINDS.map((info) => info.group));
const DRY_RUN = 'istio.io/dry-run';
const ALWAYS_REJECT = 'internal.istio.io/webhook-always-reject';

/** A reference to the object for findings. */
export function resourceRefOf(object: KubeObjectLike): ResourceRef {
  const { apiVersion, kind, metadata } = object;
  return {
    ...(typeof apiVersion === 'string' ? { apiVersion } : {}),
    kind: typeof kind === 'string' ? kind : '',
    ...(typeof metadata?.namespace === 'string' && metadata.namespace ? { namespace: metadata.namespace } : {}),
    name: typeof metadata?.name === 'string' ? metadata.name : '',
  };
}

/**
 * All findings of an object, worst first: unknown kind or version, schema with did-you-mean, and the kind's rules. Objects of
 * other groups have none. Rules run only on what fits the schema's types.
 */
export function validateResource(object: KubeObjectLike): Finding[] {
  const report = new Report(resourceRefOf(object));
  const info = findKind(object, report);
  if (info) {
    checkTopLevel(object, info, report);
    checkMetadata(object, report);
    checkSpec(object, info, report);
  }
  return report.findings.sort(compareFindings);
}

/** Whether the types of an Istio object's spec fit its schema, so that code may read it as its static type. */
export function isWellTyped(object: KubeObjectLike): boolean {
  const info = kindOfObject(object);
  return info !== undefined && checkSchema(info.schema, object.spec ?? {}, { path: 'spec', report: new Report() });
}

function findKind({ apiVersion, kind }: KubeObjectLike, report: Report): KindInfo | undefined {
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    report.error('', 'apiVersion and kind are required', 'Start the object with apiVersion: and kind:.');
    return undefined;
  }
  const [group = '', version = ''] = apiVersion.split('/');
  if (!GROUPS.has(group)) return undefined;
  const unknown = (path: string, message: string, fix: string | undefined): undefined => {
    report.add({ code: 'LAT0004', level: 'error', path, message, fix });
  };
  const info = kindOf(group, kind);
  if (!info) {
    const elsewhere = KINDS.find((other) => other.kind === kind);
    const guess = closestName(
      kind,
      KINDS.filter((other) => other.group === group).map((other) => other.kind),
    );
    return unknown(
      'kind',
      `no kind ${JSON.stringify(kind)} in ${group}`,
      elsewhere ? `${kind} is in ${elsewhere.group}/${elsewhere.versions[0]}.` : guess && `Did you mean ${guess}?`,
    );
  }
  if (!info.versions.includes(version)) {
    return unknown(
      'apiVersion',
      `${kind} is not served in version ${JSON.stringify(version)}`,
      `Use ${info.versions.map((name) => `${group}/${name}`).join(' or ')}.`,
    );
  }
  return info;
}

function checkMetadata({ kind, metadata, spec }: KubeObjectLike, report: Report): void {
  if (!isObject(metadata)) return report.error('metadata', 'Required value: metadata is missing');
  if (typeof metadata.name !== 'string' || metadata.name === '') {
    if (typeof metadata.generateName !== 'string') report.error('metadata.name', 'Required value: name or generateName is required');
  }
  const annotations = isObject(metadata.annotations) ? metadata.annotations : {};
  if (Object.hasOwn(annotations, ALWAYS_REJECT))
    report.error(`metadata.annotations[${ALWAYS_REJECT}]`, `"${ALWAYS_REJECT}" annotation found, rejecting`);
  const dryRun = annotations[DRY_RUN];
  if (dryRun === undefined) return;
  const path = `metadata.annotations[${DRY_RUN}]`;
  if (kind !== 'AuthorizationPolicy') return report.error(path, `unsupported annotation ${DRY_RUN}, please remove the annotation`);
  const action = isObject(spec) ? (spec.action ?? 'ALLOW') : 'ALLOW';
  if (action !== 'ALLOW' && action !== 'DENY')
    report.error(path, `the annotation ${DRY_RUN} currently only supports action ALLOW/DENY, found action ${String(action)}`);
  else if (!/^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(String(dryRun))) {
    report.error(path, `annotation ${DRY_RUN} with invalid value (${String(dryRun).slice(0, 40)}): write "true" or "false"`);
  }
}

function checkSpec(object: KubeObjectLike, info: KindInfo, report: Report): void {
  const missing = object.spec === undefined || object.spec === null;
  if (missing && info.specRequired) return report.error('spec', 'Required value: spec is missing', LOST_SPEC);
  // With the indentation lost, everything below would be a consequence.
  if (report.findings.some((finding) => finding.code === 'LAT0001')) return;
  const spec = missing ? {} : object.spec;
  if (checkSchema(info.schema, spec, { path: 'spec', report })) checkRules(object, info, { spec, report });
  // An API server drops unknown fields before anyone sees them: an empty spec is all that is left of a flattened object.
  const first = report.findings.find((finding) => finding.level === 'error' && finding.path.startsWith('spec'));
  if (missing && first && !first.fix) first.fix = LOST_SPEC;
}

const LOST_SPEC = 'spec is empty: if the file has its fields, their indentation was lost; they belong below spec:.';

function checkRules(object: KubeObjectLike, info: KindInfo, { spec, report }: { spec: unknown; report: Report }): void {
  const metadata = isObject(object.metadata) ? object.metadata : {};
  const name = typeof metadata.name === 'string' ? metadata.name : '';
  const rules = new Report(resourceRefOf(object));
  info.validate({ ...object, metadata: { ...metadata, name }, spec: withoutNulls(spec) } as unknown as Resource<string, never>, rules);
  // What the schema said already is not said again; nor is anything about a field that is missing.
  const said = new Set(report.findings.map(({ path, message }) => `${path}\u0000${message}`));
  const missing = new Set(report.findings.filter(({ message }) => message.startsWith('Required value')).map(({ path }) => path));
  for (const finding of rules.findings) {
    const repeated = said.has(`${finding.path}\u0000${finding.message}`) || (finding.level === 'error' && missing.has(finding.path));
    if (!repeated) report.findings.push(finding);
  }
}

// Kubernetes and protobuf read null as absent.
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => (inner === null ? [] : [[key, withoutNulls(inner)]])));
}
