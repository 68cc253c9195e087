// Collects every reason why a resource cannot be served, each with its field path. A compile function reports and goes on, so
// that one NACK names everything that is wrong.

import { type DescMessage, isFieldSet, type MessageShape } from '@bufbuild/protobuf';
import type { Result } from '@lateen/base';

export type Report = {
  /** The report for a field, or for one item of a repeated field. Names as in the proto (snake_case). */
  at(field: string, index?: number | string): Report;
  refuse(reason: string): void;
  /** Refuses for what Envoy's .proto files ask of the field; what else is found at this very field is not told any more. */
  break(reason: string): void;
  /** The value, or undefined after its error was reported. */
  take<T>(result: Result<T>): T | undefined;
  /** A rollback mark: how many reasons there are so far. */
  readonly count: number;
};

/** `subject` is e.g. `listener "0.0.0.0_9080"`; reasons read `listener "…": filter_chains[0].filters[1]: reason`. */
export function createReport(subject: string): { report: Report; reasons: readonly string[] } {
  const reasons: string[] = [];
  return { report: new FieldReport({ subject, reasons, broken: new Set() }, undefined, ''), reasons };
}

type Collected = { readonly subject: string; readonly reasons: string[]; readonly broken: Set<string> };

/** Paths are only spelt out for what is wrong: a compiler asks for the report of every field. */
class FieldReport implements Report {
  private readonly collected: Collected;
  private readonly above: FieldReport | undefined;
  private readonly name: string;
  private readonly key: number | string | undefined;

  constructor(collected: Collected, above: FieldReport | undefined, name: string, key?: number | string) {
    this.collected = collected;
    this.above = above;
    this.name = name;
    this.key = key;
  }

  at(field: string, key?: number | string): Report {
    return new FieldReport(this.collected, this, field, key);
  }

  refuse(reason: string): void {
    const path = this.path();
    if (!this.collected.broken.has(path)) this.add(path, reason);
  }

  break(reason: string): void {
    const path = this.path();
    this.collected.broken.add(path);
    this.add(path, reason);
  }

  take<T>(result: Result<T>): T | undefined {
    if (result.ok) return result.value;
    this.refuse(result.error);
    return undefined;
  }

  get count(): number {
    return this.collected.reasons.length;
  }

  private path(): string {
    const { above, name, key } = this;
    if (!above) return '';
    const own = key === undefined ? name : typeof key === 'number' ? `${name}[${key}]` : `${name}[${JSON.stringify(key)}]`;
    const path = above.path();
    return path === '' ? own : `${path}.${own}`;
  }

  private add(path: string, reason: string): void {
    const { subject, reasons } = this.collected;
    reasons.push(path === '' ? `${subject}: ${reason}` : `${subject}: ${path}: ${reason}`);
  }
}

/**
 * A check that no field outside `honoured` is set: what the proxy would have to ignore is refused instead. Make it once per
 * message type. Names are the generated ones (camelCase); fields of a oneof are named singly.
 */
export function honours<Desc extends DescMessage>(
  schema: Desc,
  honoured: readonly string[],
): (message: MessageShape<Desc>, report: Report) => void {
  const known = new Set(honoured);
  for (const name of honoured) if (!schema.field[name]) throw new Error(`${schema.typeName} has no field ${name}`);
  const others = schema.fields.filter((field) => !known.has(field.localName));
  return (message, report) => {
    for (const field of others) if (isFieldSet(message, field)) report.at(field.name).refuse('is not supported');
    for (const { no } of message.$unknown ?? []) report.refuse(`field number ${no} of ${schema.typeName} is not known`);
  };
}
