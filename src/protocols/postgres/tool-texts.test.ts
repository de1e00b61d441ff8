import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { StatementCache } from './cache.ts';
import { examine, loadParser } from './parser.ts';
import { textToExamine } from './tool-texts.ts';

before(loadParser);

const OF_PG_DUMP =
  "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'";

test('what pg_dump sends first is examined with the name of the setting in it', () => {
  assert.equal(
    textToExamine(OF_PG_DUMP),
    "SELECT set_config('restrict_nonsystem_relation_kind', 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
  );
});

test('a text that differs in one letter is examined as it is', () => {
  for (let at = 0; at < OF_PG_DUMP.length; at++) {
    const other = `${OF_PG_DUMP.slice(0, at)}${OF_PG_DUMP[at] === 'x' ? 'y' : 'x'}${OF_PG_DUMP.slice(at + 1)}`;
    assert.equal(textToExamine(other), other);
  }
  for (const other of [
    `${OF_PG_DUMP};`,
    ` ${OF_PG_DUMP}`,
    OF_PG_DUMP.toLowerCase(),
    `${OF_PG_DUMP} or true`,
  ]) {
    assert.equal(textToExamine(other), other);
  }
});

test('that it is free opens nothing of its shape', async () => {
  const cache = new StatementCache();
  const free = await examine(OF_PG_DUMP);
  assert.equal(free.classified.denied, null);
  assert.deepEqual(
    free.classified.accesses.map(({ verb, schema, name }) => [verb, schema, name]),
    [['select', null, 'pg_settings']],
  );
  cache.add(OF_PG_DUMP, free);
  for (const [from, to] of [
    ["= 'restrict_nonsystem_relation_kind'", "= 'role'"],
    ["'view, foreign-table'", "'postgres'"],
  ] as const) {
    const other = OF_PG_DUMP.replace(from, to);
    assert.equal(cache.find(other), undefined);
    assert.equal((await examine(other)).classified.denied?.code, 'POSTERN_STATEMENT_UNSEEN');
  }
});
