import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Engine } from './engine.ts';
import { normalizeLiterals } from './normalize.ts';

const engine = await Engine.create();

test('integers, decimals and plain strings are left out, everything else stays', () => {
  const same: readonly (readonly [string, string])[] = [
    ['select * from t where id = 42', 'select * from t where id = 0'],
    ["select 'a', 'it''s', ''", "select '', '', ''"],
    ['select 1.5, -7, 12345678901', 'select 0.0, -0, 00'],
    ['select $1, a1, "x1y", t.c2 from t3', 'select $1, a1, "x1y", t.c2 from t3'],
    ['select "a""1", "\'5\'" from t', 'select "a""1", "\'5\'" from t'],
    ["select 'x'::text || 'é'", "select ''::text || ''"],
    ["insert into t values (1,'a'),(2,'b')", "insert into t values (0,''),(0,'')"],
    ['select größe5 from t', 'select größe5 from t'],
    ["select 'a'\n 'b'", "select ''\n ''"],
  ];
  for (const [sql, key] of same) assert.equal(normalizeLiterals(sql), key);
});

test('whatever is not certain is not shared', () => {
  for (const sql of [
    'select 1 -- 2',
    'select /* 1 */ 2',
    'select $$1$$',
    'select $a$1$a$',
    "select e'1'",
    "select E'1'",
    "select b'1', x'1'",
    "select n'1'",
    "select u&'1'",
    'select u&"1"',
    "select xu&'1'",
    "select '\\'",
    "select 'open",
    'select "open',
    'select 1e5',
    'select 1.5e5',
    'select 1.',
    'select .5',
    'select t.5',
    'select 1..2',
    'select 1.2.3',
    'select 0x1f',
    'select 1_000',
    'select 12abc',
    'select 1$1',
    'select $1a',
    "select $1'a'",
    "select 1'a'",
    'select $',
    'select 1é',
    'select \\',
    'select \u0001 1',
    'select x::float(24)',
    'select x::FLOAT (53)',
  ]) {
    assert.equal(normalizeLiterals(sql), null, sql);
  }
});

/** The tree without what may differ: positions, and the values of constants and array bounds. */
function blank(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(blank);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .filter(([field]) => !/location|_start$|_end$|^stmt_len$/.test(field))
    .map(([field, inner]) => [
      field,
      field === 'A_Const' || field === 'arrayBounds' ? 'blank' : blank(inner),
    ]);
  return Object.fromEntries(kept);
}

function sameButConstants(one: string, other: string): void {
  const key = normalizeLiterals(one);
  if (key === null || key !== normalizeLiterals(other)) return;
  const [first, second] = [engine.parse(one), engine.parse(other)];
  if ('error' in first || 'error' in second) return;
  compared += 1;
  assert.deepEqual(blank(first.tree), blank(second.tree), `${one}\n${other}`);
}

let compared = 0;

const literal = fc.oneof(
  fc.integer({ min: -5, max: 3_000_000_000 }).map(String),
  fc.constantFrom(
    '1.5',
    '0',
    '00',
    '2147483648',
    '99999999999999999999',
    '1e3',
    '.5',
    '5.',
    '0x1F',
    '1_0',
    '5 5',
  ),
  fc.string({ maxLength: 6 }).map((each) => `'${each.replaceAll("'", "''")}'`),
  fc.constantFrom(
    "''",
    "'a'",
    "E'a'",
    "'a''b'",
    "'--'",
    "'/*'",
    "'$$'",
    "b'1'",
    "N'x'",
    "U&'x'",
    "'\\'",
    "'\"'",
    '$$x$$',
  ),
);

const number = fc.integer({ min: 0, max: 60 }).map(String);
const decimal = fc.tuple(number, number).map(([whole, fraction]) => `${whole}.${fraction}`);
const plain = fc.string({ maxLength: 4 }).map((each) => `'${each.replaceAll("'", "''")}'`);

/** Two literals, most often of one kind, so that most pairs have one key. */
const likely = fc.oneof(
  { arbitrary: fc.tuple(number, number), weight: 6 },
  { arbitrary: fc.tuple(plain, plain), weight: 4 },
  { arbitrary: fc.tuple(decimal, decimal), weight: 2 },
  { arbitrary: fc.tuple(literal, literal), weight: 1 },
);

/** A literal slot is filled twice, everything else is the same in both texts. */
const piece = fc.oneof(
  { arbitrary: fc.tuple(literal, literal), weight: 4 },
  {
    arbitrary: fc
      .constantFrom(
        ' ',
        ' ',
        ' ',
        ',',
        '(',
        ')',
        '+',
        '-',
        '- ',
        '--',
        '/*',
        '*/',
        '\n',
        '::',
        'int',
        'float',
        'float(',
        'varchar(',
        'a',
        'e',
        'E',
        'U&',
        'x',
        '"',
        '"a"',
        "'",
        '$',
        '$1',
        '$a$',
        '.',
        '\\',
        'é',
        ' as ',
        ' and ',
        ' = ',
        ' in (',
        '[',
        ']',
        'interval ',
        'date ',
        ' from t ',
        ' where ',
        ' limit ',
        ' order by ',
        ';',
        'UESCAPE',
      )
      .map((text): [string, string] => [text, text]),
    weight: 6,
  },
);

test('texts with one key have one parse tree, constants apart: random pieces', () => {
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
      sameButConstants(
        `select ${pieces.map(([one]) => one).join('')}`,
        `select ${pieces.map(([, other]) => other).join('')}`,
      );
    }),
    { numRuns: 20_000 },
  );
  assert.ok(compared > 300, `only ${compared} pairs were compared`);
});

test('texts with one key have one parse tree, constants apart: whole statements', () => {
  const templates = [
    'select * from t where a = ? and b in (?, ?) order by ? limit ? offset ?',
    'insert into t (a, b) values (?, ?), (?, -?) on conflict (a) do update set b = ? returning ?',
    'update t set a = ?, b[?] = ? where c between ? and ? or d like ? escape ?',
    'delete from t where a > ? and b::varchar(?) = ?',
    'select interval ? year, date ?, extract(year from timestamp ?), a::numeric(?, ?), x::int[?], ? at time zone ?',
    'with recursive w as (select ? union all select w.a + ? from w) select * from w fetch first ? rows only',
    "select json_value(x, '$' default ? on empty), overlay(? placing ? from ?), substring(? from ? for ?)",
    'select sum(a) over (order by b rows between ? preceding and ? following), case ? when ? then ? else ? end',
    'select * from t tablesample system (?) repeatable (?) group by ? having count(*) > ?',
    'select a::bit(?), a::float(?), a::time(?), interval(?) ?, a::interval second(?)',
  ];
  const before = compared;
  fc.assert(
    fc.property(
      fc.constantFrom(...templates),
      fc.array(likely, { minLength: 8, maxLength: 8 }),
      (text, values) => {
        let index = 0;
        const fill = (side: 0 | 1): string => {
          index = 0;
          return text.replaceAll('?', () => (values[index++ % values.length] as [string, string])[side]);
        };
        sameButConstants(fill(0), fill(1));
      },
    ),
    { numRuns: 5_000 },
  );
  assert.ok(compared - before > 50, `only ${compared - before} pairs were compared`);
});
