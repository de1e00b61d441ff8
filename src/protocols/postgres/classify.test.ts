import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe as group, test } from 'node:test';
import fc from 'fast-check';
import { describe } from './classified.fixture.ts';
import type { Classified } from './classified.ts';
import { classify } from './classify.ts';
import { Engine } from './engine.ts';
import { examine, loadParser } from './parser.ts';

before(loadParser);

/** All texts of this file are small, so the answer is there at once. */
function classified(sql: string): Classified {
  const examined = examine(sql);
  assert.ok(!(examined instanceof Promise));
  return examined.classified;
}

interface Case {
  readonly sql: string;
  readonly expected: string;
}

function readCorpus(): Map<string, Case[]> {
  const sections = new Map<string, Case[]>();
  let section = '';
  let sql = '';
  for (const line of readFileSync(new URL('./classify.corpus.txt', import.meta.url), 'utf8').split('\n')) {
    if (line.startsWith('# ')) section = line.slice(2);
    else if (line.startsWith('    ')) {
      sections.set(section, [...(sections.get(section) ?? []), { sql, expected: line.slice(4) }]);
    } else sql = line;
  }
  return sections;
}

group('every statement of the corpus touches exactly what is written beside it', () => {
  for (const [section, cases] of readCorpus()) {
    test(`${section} (${cases.length})`, () => {
      for (const { sql, expected } of cases) assert.equal(describe(classified(sql)), expected, sql);
    });
  }
});

test('an unknown statement, expression or field is refused, not passed over', () => {
  const select = (target: unknown): unknown => ({
    stmts: [{ stmt: { SelectStmt: { targetList: [target] } } }],
  });
  const refusedTrees: unknown[] = [
    { stmts: [{ stmt: { BrandNewStmt: {} } }] },
    { stmts: [{ stmt: { SelectStmt: { brandNewClause: [] } } }] },
    select({ BrandNewExpr: {} }),
    select({ CoalesceExpr: { args: [], brandNewField: 1 } }),
    select({ A_Const: { ival: {} }, Second: {} }),
    select({ FuncCall: { funcname: [{ String: { sval: 'lower' } }], brandNewField: true } }),
    select({ ColumnRef: { fields: [{ Integer: { ival: 1 } }] } }),
    select({ constructor: {} }),
    select({ toString: {} }),
    { stmts: [{ stmt: { SelectStmt: { fromClause: [{ BrandNewRange: {} }] } } }] },
    { stmts: [{ stmt: { SelectStmt: { fromClause: [{ RangeVar: { relname: 't', brandNew: 1 } }] } } }] },
    { stmts: [{ stmt: { SelectStmt: 'text' } }] },
    { stmts: [{ stmt: null }] },
    { stmts: 'text' },
    null,
  ];
  for (const parseTree of refusedTrees) {
    assert.equal(classify(parseTree).denied?.code, 'POSTERN_STATEMENT_UNSEEN', JSON.stringify(parseTree));
  }
});

test('a literal matters in everything but plain queries, and in those that change settings', () => {
  for (const sql of [
    'select 1',
    'insert into t values (1)',
    'update t set a = 1',
    'delete from t',
    ';',
    'select 1; select 2',
  ]) {
    assert.equal(classified(sql).literalsMatter, false, sql);
  }
  for (const sql of [
    "select set_config('work_mem', '1MB', false)",
    "select set_config('role', 'x', false)",
    "set search_path = 'a'",
    'select 1 into t',
    'explain select 1',
    "notify c, 'x'",
    'fetch 5 from c',
    "select 1; set work_mem = '1MB'",
    'not sql',
  ]) {
    assert.equal(classified(sql).literalsMatter, true, sql);
  }
});

test('the query of PREPARE and DECLARE is kept to be checked again when it is run', () => {
  const effects = classified(
    'prepare p as select * from hr.t; declare c cursor for select * from s.u',
  ).effects;
  assert.deepEqual(
    effects.map((effect) => ('inner' in effect ? [effect.op, effect.name, describe(effect.inner)] : [])),
    [
      ['prepare', 'p', '[SELECT] select hr.t'],
      ['declare', 'c', '[SELECT] select s.u'],
    ],
  );
});

test('a name is passed on as written, whatever characters are in it', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
    .filter((each) => !each.includes('\0'));
  fc.assert(
    fc.property(name, name, (schema, table) => {
      const sql = `select '${table.replaceAll("'", "''")}' from "${schema.replaceAll('"', '""')}"."${table.replaceAll('"', '""')}"`;
      fc.pre(Buffer.byteLength(schema) < 64 && Buffer.byteLength(table) < 64);
      assert.deepEqual(classified(sql).accesses, [{ verb: 'select', kind: 'relation', schema, name: table }]);
    }),
    { numRuns: 500 },
  );
});

/** Every relation that the tree mentions, less those that could be a WITH query. Finds nothing but names, so it cannot overlook a clause. */
function mentioned(tree: unknown): Set<string> {
  const relations: { schema: string | undefined; name: string }[] = [];
  const ctes = new Set<string>();
  const visit = (value: unknown, key: string): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, key);
    } else if (typeof value === 'object' && value !== null) {
      const node = value as Record<string, unknown>;
      if (typeof node.relname === 'string' && key !== 'lockedRels') {
        relations.push({ schema: node.schemaname as string | undefined, name: node.relname });
      }
      if (typeof node.ctename === 'string') ctes.add(node.ctename);
      for (const [field, inner] of Object.entries(node)) visit(inner, field === 'RangeVar' ? key : field);
    }
  };
  visit(tree, '');
  return new Set(
    relations
      .filter(({ schema, name }) => schema !== undefined || !ctes.has(name))
      .map(({ schema, name }) => `${schema ?? ''}.${name}`),
  );
}

/** Statements built from pieces that nest, most of them valid. */
const { statement } = fc.letrec<{ query: string; expr: string; from: string; statement: string }>((tie) => {
  const name = fc.constantFrom('a', 'b', 'c', 'hr.a', 's.b', 'hr.salaries', '"Q"');
  const bare = fc.constantFrom('a', 'b', 'c');
  const t = (strings: TemplateStringsArray, ...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
    fc
      .tuple(...parts)
      .map((values) => strings.reduce((text, each, index) => text + values[index - 1] + each));
  const { query, expr, from } = { query: tie('query'), expr: tie('expr'), from: tie('from') };
  return {
    expr: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'sql' },
      fc.constantFrom('1', "'x'", 'x', 'a.x', 'null', '$1', 'now()'),
      t`(${query})`,
      t`exists (${query})`,
      t`${expr} in (${query})`,
      t`array(${query})`,
      t`case when ${expr} then ${expr} else ${expr} end`,
      t`coalesce(${expr}, ${expr})`,
      t`hr.f(${expr})`,
      t`sum(${expr}) filter (where ${expr}) over (order by ${expr})`,
      t`row(${expr}, ${expr})`,
      t`(${expr})::text`,
      t`json_array(${query})`,
      t`json_value(${expr}, '$' default ${expr} on empty)`,
      t`(array[${expr}])[${expr}:${expr}]`,
      t`xmlelement(name q, ${expr})`,
      t`${expr} is distinct from ${expr}`,
    ),
    from: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'sql' },
      name,
      t`${name} as ${bare}`,
      t`(${query}) as ${bare}`,
      t`(${from} join ${from} on ${expr})`,
      t`lateral (${query}) as ${bare}`,
      t`${name} tablesample system (${expr})`,
      t`rows from (unnest(${expr})) as ${bare}`,
      t`xmltable('/a' passing ${expr} columns q text default ${expr}) as ${bare}`,
    ),
    query: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'sql' },
      t`select ${expr} from ${from}`,
      t`select ${expr} from ${from}, ${from} where ${expr} group by ${expr} having ${expr} order by ${expr} limit ${expr}`,
      t`values (${expr}, ${expr})`,
      t`table ${name}`,
      t`with ${bare} as (${query}), ${bare} as (${query}) select * from ${from}`,
      t`with recursive ${bare} as (${query}) select * from ${from}`,
      t`(${query} union ${query})`,
      t`select * from ${from} for update`,
      t`select ${expr} from ${from} window w as (partition by ${expr})`,
    ),
    statement: fc.oneof(
      query,
      t`insert into ${name} ${query} on conflict (x) do update set x = ${expr} where ${expr} returning ${expr}`,
      t`with ${bare} as (${query}) update ${name} set x = ${expr} from ${from} where ${expr} returning ${expr}`,
      t`with ${bare} as (delete from ${name} where ${expr} returning *) select * from ${from}`,
      t`delete from ${name} using ${from} where ${expr}`,
      t`merge into ${name} using ${from} on ${expr} when matched and ${expr} then update set x = ${expr} when not matched then insert values (${expr})`,
      t`create table s.n as ${query}`,
      t`create view s.n as ${query}`,
      t`explain analyze ${query}`,
      t`copy (${query}) to stdout`,
      t`prepare p as ${query}`,
      t`declare p cursor for ${query}`,
      t`create index on ${name} ((${expr})) where ${expr}`,
      t`alter table ${name} add check (${expr}), alter x type text using (${expr})`,
    ),
  };
});

test('whatever a generated statement mentions is among what it touches, or it is denied', async () => {
  const engine = await Engine.create();
  let valid = 0;
  fc.assert(
    fc.property(statement, (sql) => {
      const parsed = engine.parse(sql);
      if ('error' in parsed) return;
      const result = classify(parsed.tree);
      if (result.denied !== null) return;
      valid += 1;
      const touched = new Set(result.accesses.map(({ schema, name }) => `${schema ?? ''}.${name}`));
      assert.deepEqual(
        [...mentioned(parsed.tree)].filter((each) => !touched.has(each)),
        [],
        sql,
      );
    }),
    { numRuns: 3000 },
  );
  assert.ok(valid > 1000, `only ${valid} of the generated statements were classified`);
});
