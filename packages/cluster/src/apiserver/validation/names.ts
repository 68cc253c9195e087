// The name syntaxes of Kubernetes, with its messages.

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const PORT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_TEXT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED_TEXT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const tooLong = (limit: number): string => `must be no more than ${limit} characters`;

/** What is wrong with a DNS label (63), or undefined. */
export const dnsLabelFault = (name: string): string | undefined =>
  name.length > 63 ? tooLong(63) : LABEL.test(name) ? undefined : LABEL_TEXT;

/** What is wrong with the name of a service, or undefined. */
export const dns1035Fault = (name: string): string | undefined =>
  name.length > 63 ? tooLong(63) : LABEL_1035.test(name) ? undefined : LABEL_1035_TEXT;

/** What is wrong with a DNS subdomain (253), or undefined. */
export const subdomainFault = (name: string): string | undefined =>
  name.length > 253 ? tooLong(253) : name.split('.').every((part) => LABEL.test(part)) ? undefined : SUBDOMAIN_TEXT;

/** What is wrong with a path-segment name (RBAC), or undefined. */
export function pathSegmentFault(name: string): string | undefined {
  if (name === '.' || name === '..') return `may not be '${name}'`;
  return name.includes('/') || name.includes('%') ? `may not contain '${name.includes('/') ? '/' : '%'}'` : undefined;
}

/** What is wrong with a label or annotation key, or undefined. */
export function qualifiedNameFault(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix === '') return 'prefix part must be non-empty';
  if (prefix !== undefined && subdomainFault(prefix)) return `prefix part ${subdomainFault(prefix)}`;
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return `name part ${tooLong(63)}`;
  return QUALIFIED.test(name) ? undefined : QUALIFIED_TEXT;
}

/** What is wrong with a label value, or undefined. */
export const labelValueFault = (value: string): string | undefined =>
  value.length > 63 ? tooLong(63) : value === '' || QUALIFIED.test(value) ? undefined : LABEL_VALUE_TEXT;

/** What is wrong with a container port's name, or undefined. */
export function portNameFault(name: string): string | undefined {
  if (name.length > 15) return tooLong(15);
  if (!PORT_NAME.test(name) || name.includes('--')) return 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)';
  return /[a-z]/.test(name) ? undefined : 'must contain at least one letter (a-z)';
}

/** What is wrong with a ConfigMap or Secret key, or undefined. */
export const configKeyFault = (key: string): string | undefined =>
  key.length > 253
    ? tooLong(253)
    : /^[-._a-zA-Z0-9]+$/.test(key) && key !== '.' && key !== '..'
      ? undefined
      : "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
