// Runs a parsed template over data. Steps and output are limited: the text comes from a user's configuration.

import { isObject } from '@lateen/base';
import { isTrue, TEMPLATE_FUNCTIONS, textOf } from './functions.ts';
import type { Command, Node, Operand, ParsedTemplate, Pipeline, Term } from './parser.ts';

export class TemplateExecutionError extends Error {}

const MAX_STEPS = 200_000;
const MAX_OUTPUT_LENGTH = 1024 * 1024;
const MAX_CALL_DEPTH = 50;

type BlockNode = Extract<Node, { otherwise: Node[] }>;
type Scope = { dot: unknown; variables: Map<string, unknown>; parent: Scope | undefined };
type Run = { template: ParsedTemplate; output: string; steps: number; depth: number };

/** @throws TemplateExecutionError */
export function executeTemplate(template: ParsedTemplate, data: unknown): string {
  const run: Run = { template, output: '', steps: 0, depth: 0 };
  runNodes(run, template.body, { dot: data, variables: new Map([['$', data]]), parent: undefined });
  return run.output;
}

function runNodes(run: Run, nodes: Node[], scope: Scope): void {
  for (const node of nodes) {
    step(run);
    switch (node.kind) {
      case 'text':
        write(run, node.text);
        break;
      case 'action': {
        const value = evaluate(run, node.pipeline, scope);
        if (node.pipeline.variables.length === 0) write(run, textOf(value));
        break;
      }
      case 'if':
      case 'with': {
        const inner = child(scope, scope.dot);
        const value = evaluate(run, node.pipeline, inner);
        if (isTrue(value)) runNodes(run, node.body, node.kind === 'with' ? child(inner, value) : inner);
        else runNodes(run, node.otherwise, child(scope, scope.dot));
        break;
      }
      case 'range':
        runRange(run, node, scope);
        break;
      case 'template':
        callTemplate(run, node.name, node.pipeline ? evaluate(run, node.pipeline, scope) : undefined);
        break;
    }
  }
}

function runRange(run: Run, node: BlockNode, scope: Scope): void {
  const { variables } = node.pipeline;
  const value = evaluate(run, { ...node.pipeline, variables: [] }, scope);
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? value.map((item, i) => [i, item])
    : isObject(value)
      ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
      : [];
  if (entries.length === 0) return runNodes(run, node.otherwise, child(scope, scope.dot));
  for (const [key, item] of entries) {
    step(run);
    const inner = child(scope, item);
    if (variables.length === 1) inner.variables.set(variables[0] as string, item);
    else if (variables.length === 2) inner.variables.set(variables[0] as string, key).set(variables[1] as string, item);
    runNodes(run, node.body, inner);
  }
}

function callTemplate(run: Run, name: string, data: unknown): void {
  const body = run.template.defined.get(name);
  if (!body) throw new TemplateExecutionError(`template ${JSON.stringify(name)} is not defined`);
  if (++run.depth > MAX_CALL_DEPTH) throw new TemplateExecutionError('templates call each other without end');
  runNodes(run, body, { dot: data, variables: new Map([['$', data]]), parent: undefined });
  run.depth--;
}

const child = (parent: Scope, dot: unknown): Scope => ({ dot, variables: new Map(), parent });

function step(run: Run): void {
  if (++run.steps > MAX_STEPS) throw new TemplateExecutionError(`takes more than ${MAX_STEPS} steps`);
}

function write(run: Run, text: string): void {
  run.output += text;
  if (run.output.length > MAX_OUTPUT_LENGTH) throw new TemplateExecutionError(`writes more than ${MAX_OUTPUT_LENGTH} characters`);
}

function evaluate(run: Run, { variables, declares, commands }: Pipeline, scope: Scope): unknown {
  let value: unknown;
  commands.forEach((command, i) => {
    value = call(run, command, { scope, piped: i === 0 ? [] : [value] });
  });
  const [name] = variables;
  if (name !== undefined) {
    if (declares) scope.variables.set(name, value);
    else owner(scope, name).variables.set(name, value);
  }
  return value;
}

function owner(scope: Scope, name: string): Scope {
  for (let at: Scope | undefined = scope; at; at = at.parent) if (at.variables.has(name)) return at;
  throw new TemplateExecutionError(`undefined variable ${name}`);
}

function call(run: Run, command: Command, { scope, piped }: { scope: Scope; piped: unknown[] }): unknown {
  step(run);
  const [head, ...rest] = command as [Term, ...Term[]];
  if (head.operand.kind !== 'function') {
    if (rest.length > 0 || piped.length > 0) throw new TemplateExecutionError('only functions take arguments');
    return termValue(run, head, scope);
  }
  const { name } = head.operand;
  const templateFunction = TEMPLATE_FUNCTIONS.get(name);
  if (!templateFunction) throw new TemplateExecutionError(`the function ${JSON.stringify(name)} is not supported`);
  const value = templateFunction(...rest.map((term) => termValue(run, term, scope)), ...piped);
  return head.fields.reduce(fieldOf, value);
}

const termValue = (run: Run, { operand, fields }: Term, scope: Scope): unknown => fields.reduce(fieldOf, operandOf(run, operand, scope));

function operandOf(run: Run, operand: Operand, scope: Scope): unknown {
  switch (operand.kind) {
    case 'literal':
      return operand.value;
    case 'dot':
      return scope.dot;
    case 'variable':
      return owner(scope, operand.name).variables.get(operand.name);
    case 'group':
      return evaluate(run, operand.pipeline, scope);
    case 'function':
      return call(run, [{ operand, fields: [] }], { scope, piped: [] });
  }
}

// Templates name Go fields (ServiceAccountName) and getters (GetTracing); our data has JSON names.
function fieldOf(value: unknown, field: string): unknown {
  if (field === 'String' || field === 'GetValue') return value;
  if (!isObject(value)) return undefined;
  if (Object.hasOwn(value, field)) return value[field];
  const wanted = (field.startsWith('Get') ? field.slice(3) : field).toLowerCase();
  const key = Object.keys(value).find((one) => one.toLowerCase() === wanted);
  return key === undefined ? undefined : value[key];
}
