// Errors as the API answers them: a Status object with Kubernetes' reasons, codes and wording.

import type { Status, StatusCause, StatusDetails } from '@lateen/kube/types';

export type ResourceName = { group: string; plural: string };
export type KindName = { group: string; kind: string };

/** Thrown anywhere in the server; becomes the response. */
export class ApiError extends Error {
  readonly status: Status;

  constructor(code: number, reason: string, options: { message: string; details?: StatusDetails }) {
    super(options.message);
    this.name = 'ApiError';
    const { message, details } = options;
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details ? { details } : {}),
      code,
    };
  }
}

const qualified = ({ group, plural }: ResourceName): string => (group === '' ? plural : `${plural}.${group}`);
const qualifiedKind = ({ group, kind }: KindName): string => (group === '' ? kind : `${kind}.${group}`);
const detailsOf = ({ group, plural }: ResourceName, name: string): StatusDetails => ({
  name,
  ...(group === '' ? {} : { group }),
  kind: plural,
});

export const notFound = (resource: ResourceName, name: string): ApiError =>
  new ApiError(404, 'NotFound', { message: `${qualified(resource)} "${name}" not found`, details: detailsOf(resource, name) });

export const pathNotFound = (): ApiError =>
  new ApiError(404, 'NotFound', { message: 'the server could not find the requested resource', details: {} });

export const alreadyExists = (resource: ResourceName, name: string): ApiError =>
  new ApiError(409, 'AlreadyExists', { message: `${qualified(resource)} "${name}" already exists`, details: detailsOf(resource, name) });

export const conflict = (resource: ResourceName, name: string, why = MODIFIED): ApiError =>
  new ApiError(409, 'Conflict', {
    message: `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    details: detailsOf(resource, name),
  });

export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

export const badRequest = (message: string): ApiError => new ApiError(400, 'BadRequest', { message });

export const forbidden = (resource: ResourceName, name: string, why: string): ApiError =>
  new ApiError(403, 'Forbidden', {
    message: `${qualified(resource)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`,
    details: detailsOf(resource, name),
  });

export const unauthorized = (): ApiError => new ApiError(401, 'Unauthorized', { message: 'Unauthorized' });

export const expired = (message: string): ApiError => new ApiError(410, 'Expired', { message });

export const methodNotAllowed = (resource: ResourceName, verb: string): ApiError =>
  new ApiError(405, 'MethodNotAllowed', {
    message: `${verb} is not supported on resources of kind "${qualified(resource)}"`,
    details: { kind: resource.plural, ...(resource.group === '' ? {} : { group: resource.group }) },
  });

export const unsupportedMediaType = (message: string): ApiError => new ApiError(415, 'UnsupportedMediaType', { message });

export const tooLarge = (limitBytes: number): ApiError =>
  new ApiError(413, 'RequestEntityTooLarge', { message: `Request entity too large: limit is ${limitBytes}` });

export const internalError = (message: string): ApiError =>
  new ApiError(500, 'InternalError', { message: `Internal error occurred: ${message}`, details: { causes: [{ message }] } });

/** 422 with one cause per field; the message lists them as kubectl users know it. */
export function invalid(kind: KindName, name: string, causes: readonly FieldError[]): ApiError {
  const texts = causes.map(fieldErrorText);
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return new ApiError(422, 'Invalid', {
    message: `${qualifiedKind(kind)} "${name}" is invalid: ${list}`,
    details: {
      name,
      ...(kind.group === '' ? {} : { group: kind.group }),
      kind: kind.kind,
      causes: causes.map(causeOf),
    },
  });
}

/** What is wrong with one field. `value` is shown for FieldValueInvalid and NotSupported. */
export type FieldError = {
  reason: 'Required' | 'Invalid' | 'NotSupported' | 'Duplicate' | 'Forbidden' | 'TypeInvalid' | 'TooLong' | 'TooMany' | 'NotFound';
  field: string;
  value?: unknown;
  /** The value as the message shows it, where JSON is not Kubernetes' way. */
  shown?: string;
  message?: string;
};

const REASON_TEXT: Record<FieldError['reason'], string> = {
  Required: 'Required value',
  Invalid: 'Invalid value',
  NotSupported: 'Unsupported value',
  Duplicate: 'Duplicate value',
  Forbidden: 'Forbidden',
  TypeInvalid: 'Invalid value',
  TooLong: 'Too long',
  TooMany: 'Too many',
  NotFound: 'Not found',
};

function bodyOf({ reason, value, shown, message }: FieldError): string {
  const hasValue = ['Invalid', 'NotSupported', 'Duplicate', 'TypeInvalid', 'NotFound'].includes(reason);
  const text = hasValue ? `: ${shown ?? JSON.stringify(value) ?? 'null'}` : '';
  return `${REASON_TEXT[reason]}${text}${message ? `: ${message}` : ''}`;
}

const fieldErrorText = (error: FieldError): string => `${error.field}: ${bodyOf(error)}`;

const causeOf = (error: FieldError): StatusCause => ({
  reason: `FieldValue${error.reason}`,
  message: bodyOf(error),
  field: error.field,
});
