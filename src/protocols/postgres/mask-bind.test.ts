import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { MaskRuleView } from '../../core/views.ts';
import { compileMasks } from '../../masking/rules.ts';
import { MaskBinder } from './mask-bind.ts';
import { ColumnMasks } from './mask-columns.ts';
import { originsFrom } from './mask-origins.ts';
import { catalogFrom } from './names.ts';
import { examine, loadParser } from './parser.ts';

const RULE: MaskRuleView = {
  ...{ id: 'r', name: 'r', revision: 1, resourceId: null, principalId: null, grantId: null },
  match: { columns: ['s.t.secret', 's.u.other'], names: ['iban'], detectors: [] },
  ...{ transform: { kind: 'hash' }, probes: 'deny', status: 'active' },
};
const relation = (schema: string, name: string, oid: number, kind: string, columns: readonly string[]) => ({
  ...{ kind: 'r', schema, name, oid: String(oid), relkind: kind },
  columns: JSON.stringify(columns.map((column, i) => [i + 1, column, 25])),
});
const CATALOG = catalogFrom([
  { kind: 's', schema: 's', name: '' },
  relation('s', 't', 1, 'r', ['id', 'secret', 'open']),
  relation('s', 'u', 2, 'r', ['id', 'other', 'open']),
  relation('s', 'plain', 3, 'r', ['id', 'secret', 'open']),
  relation('s', 'seen', 4, 'v', ['id', 'x', 'y']),
  relation('s', 'child', 5, 'r', ['id', 'secret', 'open']),
  relation('s', 'lost', 6, 'v', ['a']),
]);
const ORIGINS = originsFrom([
  ['v', '4', '[1]', '[[1,1,1],[2,1,2],[3,0,0]]'],
  ['i', '5', '1', null],
]);

before(loadParser);

/** The masked columns of each output, by the last letters of their names; and what is refused. */
function bound(sql: string): {
  outputs: string[];
  exact: boolean;
  probed: string[];
  stored: string[];
  handed: string[];
} {
  const examined = examine(sql);
  assert.ok(!(examined instanceof Promise));
  const query = examined.lineage[0]?.query;
  assert.ok(query, sql);
  const masks = new ColumnMasks(compileMasks([RULE], Buffer.alloc(32)), CATALOG, ORIGINS, Buffer.alloc(32));
  const binder = new MaskBinder(masks, ['s'], CATALOG);
  const { columns, exact } = binder.bind(query);
  const names = (all: Iterable<{ column: string }>): string[] => [...all].map(({ column }) => column).sort();
  return {
    outputs: columns.map(({ taint }) => names(taint).join('+')),
    exact,
    probed: names(binder.probed),
    stored: names(binder.stored),
    handed: names(binder.handed),
  };
}

const outputs = (sql: string): string[] => bound(sql).outputs;
const SECRET = 's.t.secret';

test('a column is found wherever it comes from, and a column of the same name elsewhere is not taken for it', () => {
  assert.deepEqual(outputs('select id, secret, open from t'), ['', SECRET, '']);
  assert.deepEqual(outputs('select secret from plain'), ['']);
  assert.deepEqual(outputs('select p.secret, t.secret from plain p, t'), ['', SECRET]);
  assert.deepEqual(outputs('select upper(p.secret) from plain p join t using (id)'), ['']);
  assert.deepEqual(outputs('select * from t'), ['', SECRET, '']);
  assert.deepEqual(outputs('select t.*, 1 from plain, t'), ['', SECRET, '', '']);
  assert.deepEqual(outputs('select secret || other from t, u'), [`${SECRET}+s.u.other`]);
  assert.deepEqual(outputs('select count(secret), count(*) from t'), ['', '']);
  assert.deepEqual(outputs('select iban, x.iban from somewhere x'), ['s.somewhere.iban', 's.somewhere.iban']);
});

test('a name that WITH gives away means that query, and inside it still the table', () => {
  assert.deepEqual(outputs('with t as (select 1 as secret) select secret from t'), ['']);
  assert.deepEqual(outputs('with t as (select * from t) select * from t'), ['', SECRET, '']);
  assert.deepEqual(outputs('with a as (select secret from t), t as (select 1 as secret) select * from a'), [
    SECRET,
  ]);
  assert.deepEqual(outputs('with w as (select id from t), t as (select 2 as secret) select secret from t'), [
    '',
  ]);
  // A query inside may see the names around it: what is not certain is taken for both.
  assert.deepEqual(outputs('select (select secret from plain) from t'), [SECRET]);
});

test('a query that reads itself is followed until nothing more is found', () => {
  assert.deepEqual(
    outputs(
      'with recursive w as (select id, open from t union all select t.id, t.open from t join w on t.id = w.id) select * from w',
    ),
    ['', ''],
  );
  // The value comes up one step from column to column.
  assert.deepEqual(
    outputs(
      'with recursive w(a, b, c) as (select 1, 1, secret from t union all select b, c, c from w) select a from w',
    ),
    [SECRET],
  );
  const nested = (depth: number): string =>
    depth === 0
      ? 'select secret as x from t'
      : `with recursive w as (select x from (${nested(depth - 1)}) q union all select x from w) select x from w`;
  assert.deepEqual(outputs(nested(3)), [SECRET]);
  assert.throws(() => outputs(nested(40)), RangeError);
});

test('views are followed column by column, children of a table are masked like it, and unknown views whole', () => {
  assert.deepEqual(outputs('select * from seen'), ['', SECRET, SECRET]);
  assert.deepEqual(outputs('select secret from child'), ['s.t.secret']);
  assert.deepEqual(outputs('select a from lost'), ['?']);
});

test('what decides is told from what is only shown', () => {
  for (const sql of [
    'select 1 from t where secret is null',
    'select id from t order by secret',
    'select secret as x from t order by x',
    'select secret from t order by 1',
    'select distinct secret from t',
    'select 1 from t join u on t.secret = u.open',
    'select 1 from t natural join plain',
    'select secret = $1 from t',
    'select case when secret > $1 then 1 end from t',
    'select secret from t union select open from u',
    'select id from t limit (select length(secret) from t)',
    'select max(id) over (partition by secret) from t',
    'select 1 from t where exists (select 1 from u where u.open = t.secret)',
    'select id from (select id, secret as s from t) x where s like $1',
  ]) {
    assert.deepEqual(bound(sql).probed, [SECRET], sql);
  }
  for (const sql of [
    'select secret, upper(secret), json_agg(t) from t where id = 1 order by id',
    'select secret from t union all select open from u',
    'select (select secret from t where id = u.id) from u where exists (select secret from t)',
    'select case when id = 1 then secret end from t group by id, open',
    'select 1 from t where id in (select id from u)',
  ]) {
    assert.deepEqual(bound(sql).probed, [], sql);
  }
});

test('what is kept or handed on is told, a column written to itself is not', () => {
  assert.deepEqual(bound('update t set open = secret').stored, [SECRET]);
  assert.deepEqual(bound('update t set secret = coalesce(t.secret, $1)').stored, []);
  // A part of it would be shown where another part is now.
  assert.deepEqual(bound('update t set secret = lower(secret)').stored, [SECRET]);
  assert.deepEqual(bound('insert into plain select * from t').stored, [SECRET]);
  assert.deepEqual(
    bound('insert into t (id, secret) values (1, $1) on conflict (id) do update set secret = excluded.secret')
      .stored,
    [],
  );
  assert.deepEqual(
    bound('insert into t (id, open) values (1, $1) on conflict (id) do update set open = excluded.secret')
      .stored,
    [SECRET],
  );
  assert.deepEqual(bound('with w as (insert into plain select id, secret from t) select 1').stored, [SECRET]);
  assert.deepEqual(bound("select set_config('a.b', secret, true) from t").handed, [SECRET]);
  assert.deepEqual(bound('select somebody.elses(secret) from t').handed, [SECRET]);
});

test('columns are counted only where they are certain', () => {
  assert.equal(bound('select id, t.* from t').exact, true);
  assert.equal(bound('select * from t join u on t.id = u.id').exact, true);
  for (const sql of [
    'select * from t join u using (id)',
    'select * from unknown',
    'select (t).* from t',
    'select * from t, json_each($1)',
    'update t set open = 1 returning *',
  ]) {
    assert.equal(bound(sql).exact, false, sql);
  }
});
