/** Lists that frameworks ask for: that they have what happened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { world } from '../cases.fixture.ts';
import { builtInFramework, frameworkIds } from '../library.ts';
import { PRIVILEGED } from './examiners.fixture.ts';
import { everything, LISTS } from './lists.fixture.ts';

test('each list of a framework has what happened', async (context) => {
  const w = await world(context);
  await everything(w);
  for (const [query, has] of LISTS) {
    // Asked as an assertion, the rows of a list are those that fail.
    const { failing } = w.ask(query, PRIVILEGED);
    assert.ok(JSON.stringify(failing).includes(has), `${query}: ${JSON.stringify(failing)}`);
  }
});

test('each list that a framework asks for is looked at here', () => {
  const controls = frameworkIds().flatMap((id) => builtInFramework(id).controls);
  const lists = controls.flatMap(({ objectives }) => objectives).filter(({ kind }) => kind === 'report');
  const asked = new Set(lists.map(({ query }) => query?.id));
  assert.deepEqual(LISTS.map(([query]) => query).sort(), [...asked].sort());
});
