/** The data files that come with Postern: that they are right, and that each query can be asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asked, emptyDatabase, NOWHERE, PERIOD } from './assess.fixture.ts';
import { buildDatabase } from './database.ts';
import { readFramework, writeFramework } from './framework-file.ts';
import { builtInFramework, builtInLibrary, frameworkIds } from './library.ts';

/** Tables that another part of Postern will bring; until then what needs them is not evaluable. */
const lacks = (names: readonly string[], tables: ReadonlySet<string>): boolean =>
  names.some((name) => !tables.has(name));

test('each query of the library can be asked of a package, gives what it says, and names the tables it reads', () => {
  const db = emptyDatabase();
  for (const [id, query] of builtInLibrary().queries) {
    if (lacks(query.populations, db.tables)) continue;
    for (const sql of [query.examined, query.rows]) {
      assert.doesNotThrow(() => db.sql.prepare(sql), `${id}: ${sql}`);
    }
    const [first] = db.sql.prepare(query.rows).columns();
    assert.equal(first?.name, 'leaf', `${id}: the first column says which record to look at`);
    assert.equal(db.sql.prepare(query.examined).columns().length, 1, id);
    assert.equal(db.sql.prepare(query.rows).all().length, 0, `${id}: nothing fails where there is nothing`);
    const text = `${query.examined}\n${query.rows}`.replaceAll(/'[^']*'/g, "''");
    const named = new Set(query.populations);
    for (const table of db.tables) {
      if (table === 'period' || table === 'parameters') continue;
      if (new RegExp(`(?:from|join|,)\\s+${table}\\b`).test(text)) {
        assert.ok(named.has(table), `${id} reads ${table} and does not say so`);
      }
    }
    const used = new Set(
      [...`${query.examined}\n${query.rows}`.matchAll(/id = '([a-z][a-z-]+)'/g)].map((m) => m[1]),
    );
    assert.deepEqual([...used].sort(), [...query.parameters].sort(), `${id}: its parameters`);
  }
});

test('each framework is right, uses what is there, and says the same when it is read from a package', () => {
  assert.ok(frameworkIds().includes('nist-800-53'));
  const nothing = { queries: new Map(), parameters: new Map() };
  for (const id of frameworkIds()) {
    const framework = builtInFramework(id);
    const text = writeFramework(framework);
    assert.ok(Buffer.byteLength(text) < 1_000_000);
    assert.deepEqual(readFramework(text, 'framework.json', nothing), framework);
  }
});

test('each parameter of the library is asked for by a framework, and none has a default', () => {
  const asked = new Set(frameworkIds().flatMap((id) => builtInFramework(id).parameters.map((one) => one.id)));
  const waits = new Set([...builtInLibrary().queries.values()].flatMap(({ parameters }) => parameters));
  for (const [id, spec] of builtInLibrary().parameters) {
    assert.ok(asked.has(id) || waits.has(id), `nothing asks for ${id}`);
    assert.equal('default' in spec || 'value' in spec, false);
  }
});

test('no query says anything while a parameter that it needs is not set, whatever the others are', () => {
  const set = [...builtInLibrary().parameters.keys()];
  for (const [id, query] of builtInLibrary().queries) {
    for (const unset of query.parameters) {
      const values = set.filter((name) => name !== unset).map((name) => ({ id: name, value: 1 }));
      const { outcome, reason } = asked(emptyDatabase(values), query, values);
      assert.equal(outcome, 'not_evaluable', id);
      assert.ok(reason?.includes(unset) || reason?.startsWith('The package has no'), `${id}: ${reason}`);
    }
  }
});

test('no query says anything of a population that is not in the package, or in which there is nothing', () => {
  const values = [...builtInLibrary().parameters].map(([id, { type }]) => ({
    id,
    value: type === 'list' ? ['x'] : 1,
  }));
  const without = buildDatabase(() => null, PERIOD, NOWHERE, values);
  // What is kept, and what is wanted to be logged, is there to be looked at in an empty log too.
  const always = new Set(['texts-kept-long-enough', 'events-selected']);
  for (const [id, query] of builtInLibrary().queries) {
    const { outcome, reason } = asked(without, query, values);
    assert.deepEqual(
      [outcome, reason?.slice(0, 30)],
      ['not_evaluable', 'The package has no population '],
      id,
    );
    const empty = asked(emptyDatabase(values), query, values);
    assert.equal(empty.outcome === 'not_evaluable', !always.has(id), `${id}: ${empty.outcome}`);
  }
});
