import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonSchemaProps } from '@lateen/kube/types';
import { decodeStrictly } from '../schema/strict-decode.ts';
import { customSchema } from '../schema/structural.ts';
import { applySchemaDefaults } from './default.ts';
import { validateSchema } from './validate.ts';

const inSpec = (spec: JsonSchemaProps): JsonSchemaProps => ({ type: 'object', properties: { spec } });
const errorsOf = (spec: JsonSchemaProps, value: unknown): string[] =>
  validateSchema({ spec: value }, inSpec(spec)).map((one) => `${one.field} ${one.reason}${one.message ? `: ${one.message}` : ''}`);

describe('validation of custom resources', () => {
  const cases: { name: string; schema: JsonSchemaProps; value: unknown; errors: string[] }[] = [
    {
      name: 'a wrong type',
      schema: { type: 'string' },
      value: 3,
      errors: ['spec TypeInvalid: spec in body must be of type string: "integer"'],
    },
    { name: 'an integer for a number', schema: { type: 'number' }, value: 3, errors: [] },
    {
      name: 'a fraction for an integer',
      schema: { type: 'integer' },
      value: 1.5,
      errors: ['spec TypeInvalid: spec in body must be of type integer: "number"'],
    },
    { name: 'int or string', schema: { 'x-kubernetes-int-or-string': true }, value: '50%', errors: [] },
    {
      name: 'a boolean for int or string',
      schema: { 'x-kubernetes-int-or-string': true },
      value: true,
      errors: ['spec TypeInvalid: spec in body must be of type integer,string: "boolean"'],
    },
    { name: 'a null that may be', schema: { type: 'string', nullable: true }, value: null, errors: [] },
    {
      name: 'too small',
      schema: { type: 'integer', minimum: 1 },
      value: 0,
      errors: ['spec Invalid: spec in body should be greater than or equal to 1'],
    },
    {
      name: 'a pattern',
      schema: { type: 'string', pattern: '^a+$' },
      value: 'b',
      errors: [`spec Invalid: spec in body should match '^a+$'`],
    },
    {
      name: 'a date',
      schema: { type: 'string', format: 'date-time' },
      value: 'yesterday',
      errors: ['spec Invalid: spec in body must be of type date-time: "yesterday"'],
    },
    {
      name: 'too many items',
      schema: { type: 'array', items: { type: 'string' }, maxItems: 1 },
      value: ['a', 'b'],
      errors: ['spec TooMany: must have at most 1 items'],
    },
    {
      name: 'a duplicate key',
      schema: { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['n'] },
      value: [{ n: 1 }, { n: 1 }],
      errors: ['spec[1] Duplicate'],
    },
    {
      name: 'map values',
      schema: { type: 'object', additionalProperties: { type: 'integer' } },
      value: { a: 1, b: 'x' },
      errors: ['spec.b TypeInvalid: spec.b in body must be of type integer: "string"'],
    },
    { name: 'a missing field', schema: { type: 'object', required: ['a'] }, value: {}, errors: ['spec.a Required'] },
    {
      name: 'none of oneOf',
      schema: { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      value: {},
      errors: ['spec Invalid: "spec" must validate one and only one schema (oneOf). Found none valid'],
    },
    { name: 'one of oneOf', schema: { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] }, value: { a: 1 }, errors: [] },
    {
      name: 'Istio: not any of',
      schema: {
        type: 'object',
        oneOf: [{ not: { anyOf: [{ required: ['a'] }, { required: ['b'] }] } }, { required: ['a'] }, { required: ['b'] }],
      },
      value: { a: 1, b: 1 },
      errors: ['spec Invalid: "spec" must validate one and only one schema (oneOf). Found 2 valid'],
    },
  ];
  for (const { name, schema, value, errors } of cases) it(name, () => assert.deepEqual(errorsOf(schema, value), errors));
});

describe('defaults and pruning of custom resources', () => {
  it('fills in what is absent or null, at every depth, where the parent is there', () => {
    const schema = inSpec({
      type: 'object',
      properties: {
        a: { type: 'integer', default: 1 },
        b: { type: 'object', properties: { c: { type: 'string', default: 'x' } } },
        d: { type: 'object', default: {}, properties: {} },
      },
    });
    const object = { spec: { a: null, b: {} } };
    applySchemaDefaults(object, schema);
    assert.deepEqual(object, { spec: { a: 1, b: { c: 'x' }, d: {} } });
    const empty = {};
    applySchemaDefaults(empty, schema);
    assert.deepEqual(empty, {});
  });

  it('drops unknown fields and keeps them where the schema says so', () => {
    const schema = customSchema(
      inSpec({
        type: 'object',
        properties: {
          open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string' } } } },
        },
      }),
    );
    const object = {
      apiVersion: 'a/v1',
      kind: 'A',
      metadata: { name: 'x', bogus: 1 },
      spec: { open: { any: 1 }, list: [{ a: 'x', b: 'y' }], other: 1 },
    };
    const { unknown } = decodeStrictly(object, schema);
    assert.deepEqual(unknown, ['metadata.bogus', 'spec.list[0].b', 'spec.other']);
    assert.deepEqual(object.spec, { open: { any: 1 }, list: [{ a: 'x' }] });
    const labels = { metadata: { labels: { a: 1 } } };
    assert.match(
      decodeStrictly(labels, schema).mismatch ?? '',
      /cannot unmarshal number into Go struct field ObjectMeta.metadata.labels.a of type string/,
    );
  });
});
