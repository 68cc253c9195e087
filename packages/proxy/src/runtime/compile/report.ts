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
  const broken = new Set<string>();
  const add = (path: string, reason: string) => void reasons.push(path === '' ? `${subject}: ${reason}` : `${subject}: ${path}: ${reason}`);
  const create = (path: string): Report => ({
    at(field, index) {
      const own = index === undefined ? field : typeof index === 'number' ? `${field}[${index}]` : `${field}[${JSON.stringify(index)}]`;
      return create(path === '' ? own : `${path}.${own}`);
    },
    refuse(reason) {
      if (!broken.has(path)) add(path, reason);
    },
    break(reason) {
      broken.add(path);
      add(path, reason);
    },
    take(result) {
      if (result.ok) return result.value;
      this.refuse(result.error);
      return undefined;
    },
    get count() {
      return reasons.length;
    },
  });
  return { report: create(''), reasons };
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
