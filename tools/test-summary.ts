// A node:test reporter for the end of a run: each skipped test and each known defect (todo) with its reason, each failure again in
// full, then the counts.

import type { TestEvent } from 'node:test/reporters';

// biome-ignore lint/style/noDefaultExport: node:test loads a reporter by its default export.
export default async function* summarise(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped: string[] = [];
  const todo: string[] = [];
  const failures: string[] = [];
  let passed = 0;
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { data } = event;
    if (data.details.type === 'suite') continue;
    const name = `${data.file ?? ''}: ${data.name}`;
    if (data.skip !== undefined) skipped.push(`${name} (${reasonOf(data.skip)})`);
    else if (data.todo !== undefined) todo.push(`${event.type === 'test:pass' ? 'fixed' : 'open'}: ${name} (${reasonOf(data.todo)})`);
    else if (event.type === 'test:pass') passed++;
    else failures.push(`${name}\n    ${describe(event.data.details.error)}`);
  }
  for (const line of skipped) yield `skipped  ${line}\n`;
  for (const line of todo) yield `todo     ${line}\n`;
  for (const line of failures) yield `failed   ${line}\n`;
  yield `\n${passed} passed, ${failures.length} failed, ${skipped.length} skipped, ${todo.length} todo\n`;
}

const reasonOf = (told: string | boolean): string => (typeof told === 'string' ? told : 'no reason given');

function describe(error: Error): string {
  const cause = error.cause;
  return (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? error.message)).replaceAll('\n', '\n    ');
}
