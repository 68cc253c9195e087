// A node:test reporter for the end of a run: each skipped test with its reason, each failure again in full, then the counts.

import type { TestEvent } from 'node:test/reporters';

// biome-ignore lint/style/noDefaultExport: node:test loads a reporter by its default export.
export default async function* summarise(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped: string[] = [];
  const failures: string[] = [];
  let passed = 0;
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { data } = event;
    if (data.details.type === 'suite') continue;
    const name = `${data.file ?? ''}: ${data.name}`;
    if (data.skip !== undefined) skipped.push(`${name} (${typeof data.skip === 'string' ? data.skip : 'no reason given'})`);
    else if (event.type === 'test:pass') passed++;
    else failures.push(`${name}\n    ${describe(event.data.details.error)}`);
  }
  for (const line of skipped) yield `skipped  ${line}\n`;
  for (const line of failures) yield `failed   ${line}\n`;
  yield `\n${passed} passed, ${failures.length} failed, ${skipped.length} skipped\n`;
}

function describe(error: Error): string {
  const cause = error.cause;
  return (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? error.message)).replaceAll('\n', '\n    ');
}
