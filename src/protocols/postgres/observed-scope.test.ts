import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Observation } from '../observed.ts';
import { observedScope, unusedRights } from './observed-scope.ts';
import { parseScope } from './scope.ts';
import { scopeWithin } from './scope-within.ts';

const seen = (verbs: string[], objects: string[], commands = 1, text: string | null = null): Observation => ({
  verbs,
  objects,
  commands,
  text: async () => text,
});
const of = (...list: Observation[]) => observedScope(list, 'tools');

test('what was seen is covered, object by object, and nothing else is', async () => {
  const { scope, commands, unresolved } = await of(
    seen(['select'], ['ledger.entries', 'ledger.accounts'], 90),
    seen(['insert'], ['ledger.entries'], 10),
    seen([], [], 5),
    seen(['select'], ['pg_catalog.pg_class'], 3),
    seen(['listen'], ['ledger_events']),
  );
  assert.equal(scope, 'listen on ledger_events; select on ledger.accounts; select, insert on ledger.entries');
  assert.deepEqual([commands, unresolved], [109, 0]);
});

test('where there are several verbs and objects the text says which went where', async () => {
  const text = 'insert into ledger.entries select * from accounts where id = 1';
  const objects = ['ledger.accounts', 'ledger.entries'];
  const read = await of(seen(['insert', 'select'], objects, 7, text));
  assert.equal(read.scope, 'insert on ledger.entries; select on ledger.accounts');
  assert.equal(read.unresolved, 0);
});

test('where the text is gone, or does not fit the record, each verb is taken for each object, and it is said how often', async () => {
  for (const text of [null, 'select 1', 'select * from other.table', 'not sql at all', 'x'.repeat(9000)]) {
    const read = await of(seen(['insert', 'select'], ['a.b', 'a.c'], 7, text), seen(['select'], ['a.d'], 3));
    assert.equal(read.scope, 'select on a.d; select, insert on a.b, a.c', String(text));
    assert.deepEqual([read.unresolved, read.commands], [7, 10]);
  }
});

test('odd names stay what they are: no name becomes a pattern', async () => {
  const { scope } = await of(seen(['select'], ['"Odd*".t', 'a."x.y"']));
  assert.equal(scope, 'select on "Odd*".t, a."x.y"');
  assert.equal((await of()).scope, null);
  assert.equal((await of(seen(['create'], ['app.*']))).scope, 'create on app.*');
});

test('rights of which nothing was seen are named', async () => {
  const { rights } = await of(seen(['select'], ['ledger.entries'], 4));
  const within = (inner: string, outer: string) => scopeWithin(parseScope(inner), parseScope(outer));
  assert.deepEqual(
    unusedRights(parseScope('select, delete on ledger.*; select on hr.people'), rights, within),
    [
      { verb: 'delete', object: 'ledger.*' },
      { verb: 'select', object: 'hr.people' },
    ],
  );
});
