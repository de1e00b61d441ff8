import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PosternError } from '../../core/errors.ts';
import { COLUMN_VERBS, VERBS, type Verb } from './classified.ts';
import { formatScope, parseScope } from './scope-text.ts';

test('a scope is read, whatever its case and spacing, and written in one form', () => {
  const forms: readonly (readonly [string, string])[] = [
    ['select on ledger.*', 'select on ledger.*'],
    ['INSERT,Select\n ON Ledger.Entries ;', 'select, insert on ledger.entries'],
    ['select on a.b, c.d; delete on a.b', 'select on a.b, c.d; delete on a.b'],
    ['all on ledger.*', 'all on ledger.*'],
    ['select on "My Schema"."T*"', 'select on "My Schema"."T*"'],
    ['select on "plain".x', 'select on plain.x'],
    ['select on "a""b".x', 'select on "a""b".x'],
    ['listen, notify on ledger_*', 'listen, notify on ledger_*'],
    ['select on a.**x?', 'select on a.*x?'],
    ['select on daten.größe', 'select on daten.größe'],
    ['select, select on a.b', 'select on a.b'],
    ['UPDATE(Amount), select (ID,"Note", id) on a.b', 'select (id, "Note"), update (amount) on a.b'],
    ['select (id), select (amount) on a.b', 'select (id, amount) on a.b'],
    ['select (id), select on a.b', 'select on a.b'],
    ['select, select (id) on a.b', 'select on a.b'],
    ['insert (*_id), references ("a*") on a.*', 'insert (*_id), references ("a*") on a.*'],
  ];
  for (const [text, expected] of forms) assert.equal(formatScope(parseScope(text)), expected, text);
});

test('a scope that cannot be read names the position, the reason and, for a typo, the verbs', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    [' ', /empty/],
    ['selct on a.b', /position 1: "selct" is not a verb/],
    ['select, on a.b', /position 9: "on" is not a verb/],
    ['select a.b', /position 8: expected "on"/],
    ['select on', /position 10: expected an object/],
    ['select on entries', /position 11: "entries" names no schema/],
    ['all on *', /names no schema/],
    ['select on a.', /expected a name after the dot/],
    ['select on a.b.c', /expected ";"/],
    ['select on a.b select on c.d', /expected ";"/],
    ['select on a.b;;', /not a verb/],
    ['select on "a.b', /not closed/],
    ['select on "".b', /empty/],
    ['select on a-b.c', /unexpected "-"/],
    ['listen on a.b', /channel has no schema/],
    ['select (id on a.b', /expected "\)" or ",", found "on"/],
    ['select () on a.b', /expected a column, found "\)"/],
    ['select (id,) on a.b', /expected a column/],
    ['delete (id) on a.b', /position 1: "delete" takes no columns/],
    ['all (id) on a.b', /takes no columns/],
    ['(id) on a.b', /not a verb/],
    ['listen (id) on a', /takes no columns/],
    ['constructor on a.b', /not a verb/],
    [`select on ${'a'.repeat(129)}.b`, /too long/],
    [`select on a.b${' '.repeat(20_000)}`, /longer than/],
  ];
  for (const [text, reason] of wrong) {
    assert.throws(
      () => parseScope(text),
      (error) =>
        error instanceof PosternError && error.code === 'POSTERN_INVALID' && reason.test(error.message),
      text,
    );
  }
  assert.throws(
    () => parseScope('selct on a.b'),
    (error) => error instanceof PosternError && /select, insert, update/.test(error.hint ?? ''),
  );
});

test('writing a scope and reading it again gives the same scope', () => {
  const part = fc.oneof(
    fc.stringMatching(/^[a-z_*?$][a-z0-9_*?$]{0,6}$/),
    fc
      .string({ minLength: 1, maxLength: 6 })
      .filter((each) => !each.includes('\0'))
      .map((each) => `"${each.replaceAll('"', '""')}"`),
  );
  const verbs = fc.uniqueArray(fc.constantFrom(...(Object.keys(VERBS) as Verb[])), { minLength: 1 });
  const columns = fc.option(fc.array(part, { minLength: 1, maxLength: 3 }));
  const rule = fc.tuple(verbs, columns, part, part).map(([list, names, schema, name]) => {
    const channels = list.every((verb) => verb === 'listen' || verb === 'notify');
    const rights = list.map((verb) =>
      names !== null && COLUMN_VERBS.has(verb) ? `${verb} (${names.join(', ')})` : verb,
    );
    return `${rights.join(', ')} on ${channels ? name : `${schema}.${name}`}`;
  });
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 4 }), (rules) => {
      const scope = parseScope(rules.join('; '));
      const text = formatScope(scope);
      assert.deepEqual(parseScope(text), scope);
      assert.equal(formatScope(parseScope(text)), text);
    }),
  );
});

test('arbitrary text is read or refused, and never breaks the reader', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      try {
        parseScope(text);
      } catch (error) {
        assert.ok(error instanceof PosternError);
      }
    }),
    { numRuns: 2000 },
  );
});
