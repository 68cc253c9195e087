import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFormat } from './format.ts';

const operator = (name: string, argument?: string, maxLength?: number) => ({ operator: name, argument, maxLength });

const cases: [string, unknown][] = [
  ['', []],
  ['plain', ['plain']],
  ['100%% %PROTOCOL%', ['100% ', operator('PROTOCOL')]],
  ['%REQ(X?:PATH):10%!', [operator('REQ', 'X?:PATH', 10), '!']],
  ['[%START_TIME(%Y/%m/%dT%H:%M:%S%z (%3f))%]', ['[', operator('START_TIME', '%Y/%m/%dT%H:%M:%S%z (%3f)'), ']']],
  ['%START_TIME%', [operator('START_TIME')]],
  ['%RESP(A)%%RESP(B)%', [operator('RESP', 'A'), operator('RESP', 'B')]],
];
for (const [text, expected] of cases) {
  test(`parses ${JSON.stringify(text)}`, () => assert.deepEqual(parseFormat(text), { ok: true, value: expected }));
}

const errors: [string, RegExp][] = [
  ['%NOPE%', /unknown operator %NOPE%/],
  ['%REQ%', /needs an argument/],
  ['%PROTOCOL(x)%', /takes no argument/],
  ['50% off', /malformed operator/],
  ['%REQ(a', /not closed/],
  ['%START_TIME(%Y\n)%', /a line break/],
];
for (const [text, error] of errors) {
  test(`refuses ${JSON.stringify(text)}`, () => {
    const result = parseFormat(text);
    assert.ok(!result.ok);
    assert.match(result.error, error);
  });
}
