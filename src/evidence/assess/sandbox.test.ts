/** What a query may not do: a package, or an institution's framework, may come from anybody. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { asked, emptyDatabase, NOWHERE, PERIOD } from './assess.fixture.ts';
import { readFramework, writeFramework } from './framework-file.ts';
import { runAssessment } from './run.ts';
import type { Query } from './types.ts';

const query = (rows: string, examined = 'select 1'): Query => ({
  ...{ id: 'hostile', when: 'period', populations: [], parameters: [] },
  ...{ examined, rows },
});

test('a query can only read: whatever else it is, it is refused', () => {
  for (const sql of [
    `attach database '/etc/passwd' as other`,
    'pragma hard_heap_limit = 0',
    'select * from pragma_database_list',
    'create table x (a)',
    'delete from principals',
    'insert into principals default values returning *',
    'update principals set name = 1 returning *',
    'vacuum into "/dev/shm/out"',
    'select load_extension("x")',
    `select readfile('/etc/passwd')`,
    `select writefile('out', 'x')`,
    `select edit('x')`,
    'select * from sqlite_schema',
    'select * from sqlite_dbpage',
    'select randomblob(1000000000)',
    'select zeroblob(2000000000)',
    'with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n',
    'select 1) union select 2 from (select 3',
  ]) {
    assert.throws(() => asked(emptyDatabase(), query(sql)), /Objective o-1: /, sql);
    assert.throws(() => asked(emptyDatabase(), query('select 1', sql)), /Objective o-1: /, sql);
  }
});

test('what is examined must be one whole number', () => {
  for (const examined of [
    'select 1, 2',
    'select null',
    `select 'x'`,
    'select 1.5',
    'select 1 union select 2',
    'select 1 where 0',
  ])
    assert.throws(() => asked(emptyDatabase(), query('select 1', examined)), /one whole number/, examined);
});

test('rows come in one order, all of them are counted and hashed, and no more than a thousand are shown', () => {
  const many = (count: number): string =>
    `select value as leaf, 'r' as id from json_each('[${Array.from({ length: count }, (_, i) => (i * 7919) % count).join()}]')`;
  const [one, two] = [
    asked(emptyDatabase(), query(many(1500))),
    asked(emptyDatabase(), query(`${many(1500)} order by 1 desc`)),
  ];
  assert.deepEqual([one.failingCount, one.failing.length], [1500, 1000]);
  assert.deepEqual(
    one.failing.slice(0, 3).map(({ leaf }) => leaf),
    [0, 1, 2],
  );
  assert.equal(one.failingSha256, two.failingSha256);
  assert.notEqual(one.failingSha256, asked(emptyDatabase(), query(many(1499))).failingSha256);
});

test('a cell is shown up to a length, and hashed as a whole', () => {
  const long = (text: string) => asked(emptyDatabase(), query(`select 1 as leaf, '${text}' as id`));
  const [a, b] = [long(`${'x'.repeat(5000)}a`), long(`${'x'.repeat(5000)}b`)];
  assert.equal(String(a.failing[0]?.id).length, 2005);
  assert.notEqual(a.failingSha256, b.failingSha256);
});

const framework = (sql: string): string =>
  writeFramework(
    readFramework(
      JSON.stringify({
        ...{ id: 'hostile', title: 'h', version: '1', source: 'https://example.org/' },
        controls: [
          {
            ...{ id: 'c-1', title: 'c' },
            objectives: [
              {
                ...{ id: 'o-1', asserts: 'x', kind: 'assertion' },
                query: { when: 'period', populations: [], examined: 'select 1', rows: sql },
              },
            ],
          },
        ],
      }),
      'hostile.yaml',
      { queries: new Map(), parameters: new Map() },
    ),
  );

test('a query that does not end is ended, with the process that asks it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-assess-'));
  try {
    const ten = `json_each('[1,2,3,4,5,6,7,8,9,0]')`;
    const cross = Array.from({ length: 16 }, (_, i) => `${ten} t${i}`).join(', ');
    const job = { dir, period: PERIOD, asOf: NOWHERE, parameters: null };
    const endless = framework(`select count(*) as leaf from ${cross} where t0.value + t9.value > 100`);
    await assert.rejects(runAssessment({ ...job, framework: endless }, 1500), {
      code: 'POSTERN_INVALID',
      message: 'The assessment takes longer than 1.5 seconds while it asked for o-1.',
    });
    // So is one that takes all memory there is.
    const large = framework(`select group_concat(t0.value || t1.value) as leaf from ${cross}`);
    await assert.rejects(runAssessment({ ...job, framework: large }, 5000), { code: 'POSTERN_INVALID' });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a framework that cannot be read is refused with the line and the reason', () => {
  const base = `id: ours
title: Ours
version: '1'
source: https://example.org/
controls:
  - id: c-1
    title: One
    objectives:
`;
  const objective = (rest: string): string => `${base}      - id: o-1\n        asserts: x\n${rest}`;
  const inline = (rows: string): string =>
    objective(
      `        kind: assertion\n        query: { when: end, populations: [], examined: select 1, rows: "${rows}" }\n`,
    );
  for (const [text, message] of [
    [objective('        kind: assertion\n'), /ours\.yaml:9: .*an assertion needs a query/],
    [objective('        kind: assertion\n        query: not-there\n'), /there is no query not-there/],
    [objective('        kind: organizational\n'), /does not name the document/],
    [objective('        kind: organizational\n        document: d\n        query: x-y\n'), /has no query/],
    [objective('        kind: guess\n'), /must be one of assertion, report, organizational/],
    [inline('delete from principals'), /must be one query/],
    [inline('select 1; delete from principals'), /must be one query/],
    [inline(`select date('now')`), /uses .*now/],
    [inline('select julianday()'), /come out the same/],
    [inline('select current_timestamp'), /come out the same/],
    [inline('select random()'), /come out the same/],
    [`${base}      - { id: AC-2(7), kind: organizational, asserts: x, document: d }\n`, /id/],
    [base.replace('https://', 'file://'), /source/],
  ] as const) {
    assert.throws(
      () => readFramework(text, 'ours.yaml', { queries: new Map(), parameters: new Map() }),
      (error: Error) => message.test(error.message) && /ours\.yaml:\d+: /.test(error.message),
      text,
    );
  }
});
