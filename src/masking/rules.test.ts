import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TRANSFORMS, type Transform } from '../core/masks.ts';
import { CLASS_NAMES, CLASSES, withClasses } from './classes.ts';
import { parseColumnPattern, parseNamePattern } from './patterns.ts';
import { KEY, ruleView, TRANSFORM_EXAMPLES } from './plan.fixture.ts';
import { type CompiledMask, compileMasks } from './rules.ts';
import { maskTyped } from './transforms.ts';

const planOf = (...rules: Parameters<typeof compileMasks>[0]) => compileMasks(rules, KEY);

test('patterns of columns mean what scopes mean, and match whatever the case unless quoted', () => {
  const plan = planOf(
    ruleView({ columns: ['HR.salaries.Amount', '"Odd Schema"."T.1"."c*"', 'pay.*.iban?'] }),
  );
  const masked = (...name: [string, string, string]): boolean => plan.forColumn(...name) !== null;
  assert.ok(masked('hr', 'salaries', 'amount'));
  assert.ok(masked('hr', 'salaries', 'AMOUNT'));
  assert.ok(!masked('hr', 'salaries', 'amounts'));
  assert.ok(masked('Odd Schema', 'T.1', 'c*'));
  assert.ok(!masked('Odd Schema', 'T.1', 'cx'));
  assert.ok(!masked('odd schema', 'T.1', 'c*'));
  assert.ok(masked('pay', 'any', 'iban2'));
  assert.ok(!masked('pay', 'any', 'iban'));
  assert.ok(!masked('pay2', 'any', 'iban2'));
});

test('names of columns match in every table, also a temporary one, and however they are written', () => {
  const plan = planOf(ruleView({ names: ['*first_name*'] }));
  for (const name of ['first_name', 'FirstName', 'FIRST-NAME', 'customer first name', 'old_firstname_2']) {
    assert.ok(plan.forColumn('pg_temp_3', 'x', name), name);
  }
  assert.equal(plan.forColumn('a', 'b', 'first'), null);
});

test('where table or schema are not known, what could match is masked', () => {
  const plan = planOf(ruleView({ columns: ['hr.salaries.amount'] }));
  assert.ok(plan.forColumn('', '', 'amount'));
  assert.ok(plan.forColumn('', 'salaries', 'amount'));
  assert.equal(plan.forColumn('', 'entries', 'amount'), null);
});

test('the strictest transform wins, then the one that keeps less, the more literal pattern, the older rule', () => {
  const partial = { kind: 'partial', keep: 8 } as const;
  const wide = ruleView({ columns: ['*.*.*'] }, { kind: 'redact' });
  const narrow = ruleView({ columns: ['a.b.c'] }, partial);
  assert.equal(planOf(narrow, wide).forColumn('a', 'b', 'c')?.rule.id, wide.id);
  const less = ruleView({ columns: ['*.*.*'] }, { kind: 'partial', keep: 2 });
  assert.equal(planOf(narrow, less).forColumn('a', 'b', 'c')?.rule.id, less.id);
  const same = ruleView({ names: ['c'] }, partial);
  assert.equal(planOf(same, narrow).forColumn('a', 'b', 'c')?.rule.id, narrow.id);
  const younger = ruleView({ columns: ['a.b.c'] }, partial);
  assert.equal(planOf(younger, narrow).forColumn('a', 'b', 'c')?.rule.id, narrow.id);
  assert.deepEqual(
    planOf(...TRANSFORM_EXAMPLES.map((each) => ruleView({ detectors: ['email'] }, each)).reverse())
      .content.map(({ transform }) => transform.kind)
      .filter((kind, i, all) => kind !== all[i - 1]),
    [...TRANSFORMS],
  );
});

test('a further rule never makes a mask milder', () => {
  const pattern = fc.constantFrom('*.*.*', 'a.*.*', 'a.b.*', 'a.b.c', 'x.y.z');
  const rule = fc.record({ pattern, transform: fc.constantFrom(...TRANSFORM_EXAMPLES) });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 8 }), rule, (rules, further) => {
      const views = rules.map((each) => ruleView({ columns: [each.pattern] }, each.transform));
      const more = ruleView({ columns: [further.pattern] }, further.transform);
      const before = compileMasks(views, KEY).forColumn('a', 'b', 'c');
      const after = compileMasks([...views, more], KEY).forColumn('a', 'b', 'c');
      if (before === null) return;
      assert.ok(after);
      const rank = (kind: (typeof TRANSFORMS)[number]): number => TRANSFORMS.indexOf(kind);
      assert.ok(rank(after.transform.kind) <= rank(before.transform.kind));
    }),
  );
});

test('a rule that allows probes does not lift one that denies them, however strict it is', () => {
  const denying = ruleView({ columns: ['a.b.c'] }, { kind: 'partial', keep: 4 }, { probes: 'deny' });
  const allowing = ruleView({ columns: ['a.b.*'] }, { kind: 'null' }, { probes: 'allow' });
  const mask = planOf(denying, allowing).forColumn('a', 'b', 'c');
  assert.deepEqual([mask?.transform.kind, mask?.probes, mask?.rule.id], ['null', 'deny', allowing.id]);
  assert.equal(planOf(denying, allowing).forColumn('a', 'b', 'd')?.probes, 'allow');
});

test('a mild mask of a column does not show what a detector would have hidden', () => {
  const text = 'paid by card of the customer on file, 4111111111111111';
  const card = ruleView({ detectors: ['card'] });
  const column = (...transform: Transform[]): (string | null)[] =>
    transform.map((each) => {
      const mask = planOf(card, ruleView({ columns: ['a.b.c'] }, each)).forColumn('a', 'b', 'c');
      assert.ok(mask);
      return maskTyped(mask, 'text', text);
    });
  assert.deepEqual(column({ kind: 'partial', keep: 16 }), ['****n file, [masked]']);
  const number = '4111111111111111, a card';
  const mask = planOf(
    card,
    ruleView({ columns: ['a.b.c'] }, { kind: 'generalise', date: 'year', bucket: 7, prefix: 8 }),
  );
  assert.equal(maskTyped(mask.forColumn('a', 'b', 'c') as CompiledMask, 'text', number), '[masked***');
  const hidden = planOf(
    ruleView({ detectors: ['card'] }, { kind: 'null' }),
    ruleView({ columns: ['a.b.c'] }, { kind: 'partial', keep: 4 }),
  );
  assert.equal(maskTyped(hidden.forColumn('a', 'b', 'c') as CompiledMask, 'text', text), null);
});

test('a retired rule masks nothing, and a plan without rules says that there is nothing to do', () => {
  const retired = ruleView({ names: ['*'], detectors: ['email'] }, undefined, { status: 'retired' });
  const plan = planOf(retired);
  assert.deepEqual([plan.any, plan.columns, plan.content.length], [false, false, 0]);
  assert.equal(plan.forColumn('a', 'b', 'c'), null);
  assert.ok(planOf(ruleView({ detectors: ['email'] })).any);
});

test('the answer for a column stays the same when many others were asked for', () => {
  const plan = planOf(ruleView({ names: ['iban'] }));
  for (let i = 0; i < 10_000; i++) assert.equal(plan.forColumn('a', `t${i}`, 'id'), null);
  assert.ok(plan.forColumn('a', 't', 'iban'));
});

test('a mask never tells its key', () => {
  const plan = planOf(ruleView({ names: ['iban'], detectors: ['iban'] }));
  const shown = JSON.stringify([plan, plan.forColumn('a', 'b', 'iban')]);
  for (const encoding of ['hex', 'base64'] as const) assert.ok(!shown.includes(KEY.toString(encoding)));
});

test('every pattern of the classes can be read, and a class matches its own', () => {
  for (const name of CLASS_NAMES) {
    const match = withClasses({ columns: [], names: [], detectors: [] }, [name, name]);
    assert.equal(match.names.length, new Set(CLASSES[name].names).size);
    for (const pattern of match.names) parseNamePattern(pattern);
  }
  const of = (column: string): string[] =>
    CLASS_NAMES.filter((name) =>
      planOf(ruleView({ names: CLASSES[name].names })).forColumn('a', 'b', column),
    );
  assert.deepEqual(of('customer_email'), ['contact']);
  assert.deepEqual(of('lastName'), ['name']);
  assert.deepEqual(of('IBAN'), ['financial']);
  assert.deepEqual(of('tax_id'), ['government_id']);
  assert.deepEqual(of('password_hash'), ['secret']);
  assert.deepEqual(of('diagnosis'), ['health']);
  for (const harmless of [
    'id',
    'amount',
    'created_at',
    'status',
    'currency',
    'japan',
    'pancake',
    'setting',
  ]) {
    assert.deepEqual(of(harmless), [], harmless);
  }
});

test('what is no pattern is refused, however it begins', () => {
  for (const text of [
    '',
    '.',
    'a',
    'a.b',
    'a.b.',
    'a..c',
    'a.b.c.d',
    'a.b.c ',
    'a.b."c',
    'a.b.""',
    "a.b.c'",
  ]) {
    assert.throws(() => parseColumnPattern(text), { code: 'POSTERN_INVALID' }, text);
  }
  assert.throws(() => parseColumnPattern(`a.b.${'c'.repeat(500)}`), { code: 'POSTERN_INVALID' });
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseColumnPattern(text);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'POSTERN_INVALID');
      }
    }),
  );
});

test('a quoted name is matched exactly, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 60 }), (name) => {
      fc.pre(!name.includes('\0'));
      const plan = planOf(ruleView({ columns: [`a.b."${name.replaceAll('"', '""')}"`] }));
      assert.ok(plan.forColumn('a', 'b', name));
      assert.equal(plan.forColumn('a', 'b', `${name}x`), null);
    }),
  );
});
