import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textToExamine } from './tool-texts.ts';

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
