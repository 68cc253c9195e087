// Semantic rules of AuthorizationPolicy.

import type { Report } from '../findings/report.ts';
import { subnetProblem } from '../validate/names.ts';
import { checkTargeting } from '../validate/selectors.ts';
import type { AuthorizationPolicy, AuthorizationPolicySpec, Condition, Operation, Rule, Source } from './authorization-policy.ts';

const IP_FIELDS = ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const;
/** Source fields that a TCP connection has too. */
const TCP_SOURCE_FIELDS = [
  ...IP_FIELDS,
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
] as const;
/** Fields that CUSTOM cannot match, because the authorizer runs first. */
const NOT_IN_CUSTOM = ['namespaces', 'notNamespaces', 'principals', 'notPrincipals', 'requestPrincipals', 'notRequestPrincipals'] as const;
const PATH_LITERAL = /^[a-zA-Z0-9._~%!$&'()+,;:@=-]+$/;

export function checkAuthorizationPolicy({ spec }: AuthorizationPolicy, report: Report): void {
  checkTargeting(spec, report);
  const action = spec.action ?? 'ALLOW';
  if ((action === 'CUSTOM' || action === 'DENY') && spec.rules === undefined) {
    report.error(
      'spec.rules',
      `${action} action without rules is meaningless as it will never be triggered`,
      'Add an empty rule `- {}` to match every request.',
    );
  }
  if (action === 'CUSTOM') checkCustom(spec, report);
  else if (spec.provider) report.error('spec.provider', `provider must not be with non CUSTOM action, found ${action}`);
  spec.rules?.forEach((rule, i) => {
    checkRule(rule, `spec.rules[${i}]`, report);
    if (action === 'DENY' && deniesTcp(rule)) {
      report.warning(
        `spec.rules[${i}]`,
        'this DENY rule uses only HTTP attributes, so it denies all traffic to TCP ports under its scope; specify the port',
      );
    }
  });
}

function checkCustom(spec: AuthorizationPolicySpec, report: Report): void {
  if (spec.rules !== undefined && !spec.provider?.name) report.error('spec.provider.name', 'provider.name must not be empty');
  spec.rules?.forEach((rule, r) => {
    rule.from?.forEach((from, f) => {
      for (const field of NOT_IN_CUSTOM) {
        if (from.source?.[field]?.length) {
          report.error(`spec.rules[${r}].from[${f}].source.${field}`, `${field} is currently not supported with CUSTOM action`);
        }
      }
    });
    rule.when?.forEach(({ key = '' }, w) => {
      if (key === 'source.namespace' || key === 'source.principal' || key.startsWith('request.auth.')) {
        report.error(`spec.rules[${r}].when[${w}].key`, `${key} is currently not supported with CUSTOM action`);
      }
    });
  });
}

function checkRule(rule: Rule, path: string, report: Report): void {
  if (rule.from?.length === 0) report.error(`${path}.from`, '`from` must not be empty');
  rule.from?.forEach(({ source }, i) => {
    const place = `${path}.from[${i}].source`;
    if (!source) report.error(place, '`from.source` must not be nil');
    else checkSource(source, place, report);
  });
  if (rule.to?.length === 0) report.error(`${path}.to`, '`to` must not be empty');
  rule.to?.forEach(({ operation }, i) => {
    const place = `${path}.to[${i}].operation`;
    if (!operation) report.error(place, '`to.operation` must not be nil');
    else checkOperation(operation, place, report);
  });
  rule.when?.forEach((condition, i) => {
    checkCondition(condition, `${path}.when[${i}]`, report);
  });
}

/** No field at all, or an empty value in one. */
function checkFilled(fields: Record<string, string[] | undefined>, path: string, { what, report }: { what: string; report: Report }): void {
  if (!Object.values(fields).some((values) => values?.length)) report.error(path, `\`${what}\` must not be empty`);
  for (const [field, values] of Object.entries(fields)) {
    values?.forEach((value, i) => {
      if (value === '') report.error(`${path}.${field}[${i}]`, `empty value not allowed, found in ${field}`);
    });
  }
}

function checkSource(source: Source, path: string, report: Report): void {
  checkFilled(source, path, { what: 'from.source', report });
  for (const field of IP_FIELDS) {
    source[field]?.forEach((block, i) => {
      if (block !== '') report.check(`${path}.${field}[${i}]`, subnetProblem(block));
    });
  }
  const accounts = source.serviceAccounts ?? source.notServiceAccounts;
  if (accounts && (source.principals || source.notPrincipals || source.namespaces || source.notNamespaces)) {
    report.error(path, 'Cannot set serviceAccounts with namespaces or principals');
  }
  for (const field of ['serviceAccounts', 'notServiceAccounts'] as const) {
    source[field]?.forEach((account, i) => {
      report.check(`${path}.${field}[${i}]`, accountProblem(account));
    });
  }
}

function accountProblem(account: string): string | undefined {
  const parts = account.split('/');
  if (parts.length > 2 || parts.includes('')) return `expected serviceAccount ${JSON.stringify(account)} to be NAMESPACE/NAME or NAME`;
  return account.includes('*') ? `wildcards are not supported in serviceAccount ${JSON.stringify(account)}` : undefined;
}

function checkOperation(operation: Operation, path: string, report: Report): void {
  checkFilled(operation, path, { what: 'to.operation', report });
  for (const field of ['ports', 'notPorts'] as const) {
    operation[field]?.forEach((port, i) => {
      report.check(`${path}.${field}[${i}]`, portTextProblem(port));
    });
  }
  for (const field of ['paths', 'notPaths'] as const) {
    operation[field]?.forEach((template, i) => {
      report.check(`${path}.${field}[${i}]`, pathTemplateProblem(template));
    });
  }
}

const portTextProblem = (port: string): string | undefined =>
  /^\d{1,5}$/.test(port) && Number(port) <= 65535
    ? undefined
    : `invalid port ${JSON.stringify(port)}, must be a number in the range 0..65535`;

/** Paths with {*} (one segment) and {**} (any number, at the end); other braces are refused. */
function pathTemplateProblem(path: string): string | undefined {
  const hasTemplate = path.includes('{*}') || path.includes('{**}');
  let sawRest = false;
  for (const [i, segment] of path.split('/').entries()) {
    if (segment === '' && (i === 0 || path.endsWith('/'))) continue;
    const isTemplate = segment === '{*}' || segment === '{**}';
    if (isTemplate && sawRest) return `invalid or unsupported path ${JSON.stringify(path)}: {**} is not the last operator`;
    if (segment === '{**}') sawRest = true;
    if (isTemplate) continue;
    if (/[{}]/.test(segment))
      return `invalid or unsupported path ${JSON.stringify(path)}: contains '{' or '}' beyond a supported path template`;
    if (hasTemplate && !PATH_LITERAL.test(segment))
      return `invalid or unsupported path ${JSON.stringify(path)}: segment ${JSON.stringify(segment)} is not a valid string literal`;
  }
  return undefined;
}

const PLAIN_KEYS = new Set([
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'connection.sni',
]);
const IP_KEYS = new Set(['source.ip', 'remote.ip', 'destination.ip']);

function checkCondition({ key = '', values = [], notValues = [] }: Condition, path: string, report: Report): void {
  if (key === '') return report.error(`${path}.key`, '`key` must not be empty');
  if (values.length === 0 && notValues.length === 0) {
    return report.error(path, `at least one of \`values\` or \`notValues\` must be set for key ${key}`);
  }
  for (const [field, list] of [
    ['values', values],
    ['notValues', notValues],
  ] as const) {
    list.forEach((value, i) => {
      const place = `${path}.${field}[${i}]`;
      if (value === '') report.error(place, `empty value not allowed, found in ${field}`);
      else if (IP_KEYS.has(key)) report.check(place, subnetProblem(value));
      else if (key === 'destination.port') report.check(place, portTextProblem(value));
    });
  }
  if (PLAIN_KEYS.has(key) || IP_KEYS.has(key) || key === 'destination.port') return;
  const prefix = ['request.headers', 'request.auth.claims', 'experimental.envoy.filters.'].find((start) => key.startsWith(start));
  if (!prefix) return report.error(`${path}.key`, `unknown attribute: ${key.slice(0, 120)}`);
  if (!/^[^[\]]*(\[[^[\]]+\])+$/.test(key)) report.error(`${path}.key`, `bad key (${key.slice(0, 120)}): should have format a[b]`);
}

// Over TCP the HTTP part of a DENY rule counts as matched, so a rule without TCP attributes denies every connection.
function deniesTcp(rule: Rule): boolean {
  const sources = rule.from?.flatMap(({ source }) => (source ? [source] : [])) ?? [];
  const operations = rule.to?.flatMap(({ operation }) => (operation ? [operation] : [])) ?? [];
  const tcpFrom = sources.some((source) => TCP_SOURCE_FIELDS.some((field) => source[field] !== undefined));
  const tcpTo = operations.some((operation) => operation.ports !== undefined || operation.notPorts !== undefined);
  return (sources.length > 0 && operations.length === 0 && !tcpFrom) || (operations.length > 0 && !tcpTo);
}
