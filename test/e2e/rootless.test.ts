import { test } from 'node:test';
import { cannotRun, startMesh } from '../support/mesh.ts';
import { bookinfoTutorial } from './bookinfo-tutorial.ts';
import { gophersTutorial } from './gophers-tutorial.ts';

const rung = 'rootless';

test('the tutorials on the rootless rung', { skip: (await cannotRun(rung)) ?? false }, async (t) => {
  const mesh = await startMesh(t, { rung, httpPort: 'default' });
  await t.test('Bookinfo', (context) => bookinfoTutorial(context, mesh));
  await t.test('gophers', (context) => gophersTutorial(context, mesh));
});
