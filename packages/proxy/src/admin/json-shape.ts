// What is cut out of a configuration before it is shown.

import { isObject, type Json, type JsonObject } from '@lateen/base';

const REDACTED = '[redacted]';
const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/** Fields whose whole content is secret, by name; those names mean the same wherever they stand. */
const SECRET_FIELDS = new Set(['private_key', 'password', 'pkcs12', 'private_key_provider', 'inline_password']);
/** Fields that are secret below one parent only. */
const SECRET_BELOW: Readonly<Record<string, string>> = { session_ticket_keys: 'keys', generic_secret: 'secret' };

/** Every private key, password and ticket key is replaced, as Envoy does. */
export function redactSecrets(value: Json, parent = ''): Json {
  if (Array.isArray(value)) return value.map((item) => redactSecrets(item, parent));
  if (!isObject(value)) return value;
  const { '@type': type, ...fields } = value as JsonObject;
  // Where Envoy writes it, and people look for it.
  const shown: JsonObject = type === undefined ? {} : { '@type': type };
  for (const [name, field] of Object.entries(fields)) {
    const isSecret = SECRET_FIELDS.has(name) || (Object.hasOwn(SECRET_BELOW, parent) && SECRET_BELOW[parent] === name);
    shown[name] = isSecret ? blank(field) : redactSecrets(field, name);
  }
  return shown;
}

function blank(value: Json, name = ''): Json {
  if (Array.isArray(value)) return value.map((item) => blank(item, name));
  if (isObject(value)) return Object.fromEntries(Object.entries(value as JsonObject).map(([key, field]) => [key, blank(field, key)]));
  if (typeof value !== 'string' || name === '@type') return value;
  return name === 'inline_bytes' ? REDACTED_BYTES : REDACTED;
}

/** Keeps the fields that a path names ("a.b"), with all below them; lists are walked through, types stay. */
export function applyMask(value: Json, paths: readonly string[]): Json {
  if (Array.isArray(value)) return value.map((item) => applyMask(item, paths));
  if (!isObject(value)) return value;
  const kept: JsonObject = {};
  for (const [name, field] of Object.entries(value as JsonObject)) {
    if (name === '@type' || paths.includes(name)) kept[name] = field;
    else {
      const below = paths.filter((path) => path.startsWith(`${name}.`)).map((path) => path.slice(name.length + 1));
      if (below.length > 0) kept[name] = applyMask(field, below);
    }
  }
  return kept;
}
