import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { GrantConditions, Hours } from '../../core/conditions.ts';
import { addressOf } from '../grant-conditions.ts';
import { CompiledConditions, compileConditions } from './conditions.ts';
import { examine, loadParser } from './parser.ts';

before(loadParser);

const open = (hours: Hours, time: string): boolean =>
  new CompiledConditions({ hours: [hours] }).open(Date.parse(time));

const office: Hours = {
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '08:00',
  to: '18:00',
  timeZone: 'Europe/Berlin',
};

test('hours are those of the clock of their time zone, summer and winter', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    // A Friday in winter: UTC+1.
    ['2026-11-20T06:59:59Z', false],
    ['2026-11-20T07:00:00Z', true],
    ['2026-11-20T16:59:59Z', true],
    ['2026-11-20T17:00:00Z', false],
    // A Friday in summer: UTC+2.
    ['2026-07-17T05:59:59Z', false],
    ['2026-07-17T06:00:00Z', true],
    ['2026-07-17T16:00:00Z', false],
    // A weekend, and a Monday that in Berlin has begun.
    ['2026-11-21T10:00:00Z', false],
    ['2026-11-23T07:30:00Z', true],
  ];
  for (const [time, expected] of cases) assert.equal(open(office, time), expected, time);
});

test('a span over midnight belongs to the day on which it begins', () => {
  const night: Hours = { days: ['fri'], from: '22:00', to: '06:00', timeZone: 'UTC' };
  for (const [time, expected] of [
    ['2026-11-20T21:59:59Z', false],
    ['2026-11-20T22:00:00Z', true],
    ['2026-11-21T05:59:59Z', true],
    ['2026-11-21T06:00:00Z', false],
    ['2026-11-21T22:00:00Z', false],
    ['2026-11-20T03:00:00Z', false],
  ] as const) {
    assert.equal(open(night, time), expected, time);
  }
  const all: Hours = { days: ['sun'], from: '00:00', to: '24:00', timeZone: 'Asia/Kathmandu' };
  assert.equal(open(all, '2026-11-21T18:15:00Z'), true);
  assert.equal(open(all, '2026-11-22T18:14:59Z'), true);
  assert.equal(open(all, '2026-11-22T18:15:00Z'), false);
});

test('the hour that comes twice counts twice, the one that is skipped has no minutes', () => {
  const hour: Hours = { days: ['sun'], from: '02:00', to: '03:00', timeZone: 'Europe/Berlin' };
  // 25 October 2026: 02:00 to 03:00 comes in summer time and again in winter time.
  assert.equal(open(hour, '2026-10-25T00:30:00Z'), true);
  assert.equal(open(hour, '2026-10-25T01:30:00Z'), true);
  assert.equal(open(hour, '2026-10-25T02:00:00Z'), false);
  // 29 March 2026: after 01:59 comes 03:00.
  assert.equal(open(hour, '2026-03-29T00:59:59Z'), false);
  assert.equal(open(hour, '2026-03-29T01:00:00Z'), false);
});

test('one of several spans is enough, and time goes on within a session', () => {
  const conditions = new CompiledConditions({ hours: [office, { ...office, days: ['sat'], to: '12:00' }] });
  const at = (time: string): boolean => conditions.open(Date.parse(time));
  assert.equal(at('2026-11-21T10:59:59Z'), true);
  assert.equal(at('2026-11-21T11:00:00Z'), false);
  assert.equal(at('2026-11-21T10:00:00Z'), true);
  assert.equal(new CompiledConditions({}).open(0), true);
});

test('the address of a client is looked for in the blocks, whichever form it has', () => {
  const conditions = new CompiledConditions({ sources: ['10.1.0.0/16', '2001:db8::/32', '192.0.2.7/32'] });
  for (const [source, expected] of [
    ['10.1.255.9:5000', true],
    ['10.2.0.1:5000', false],
    ['::ffff:10.1.2.3:5000', true],
    ['::FFFF:10.2.2.3:5000', false],
    ['::ffff:a01:203:5000', true],
    ['2001:db8::5:41000', true],
    ['2001:db9::5:41000', false],
    ['192.0.2.7:1', true],
    ['192.0.2.8:1', false],
    ['?:0', false],
    ['', false],
  ] as const) {
    assert.equal(conditions.reaches(addressOf(source)), expected, source);
  }
  assert.equal(new CompiledConditions({ sources: ['0.0.0.0/0'] }).reaches('203.0.113.1'), true);
  assert.equal(new CompiledConditions({}).reaches('?'), true);
});

test('each condition is looked at for the statement and for what it executes', async () => {
  const known = async (sql: string) => examine(sql);
  const all = [await known('execute p'), await known('delete from hr.t')];
  const unmet = (conditions: GrantConditions) =>
    compileConditions(conditions).unmet(all, '10.0.0.1', 0)?.reason ?? null;
  assert.equal(unmet({}), null);
  assert.match(unmet({ requireWhere: true }) ?? '', /WHERE/);
  assert.match(unmet({ fingerprints: ['00000000000000aa'] }) ?? '', /fingerprint/);
  assert.equal(unmet({ fingerprints: [all[1]?.fingerprint ?? ''] }), null);
  assert.equal(unmet({ noDdl: true }), null);
  assert.match(unmet({ sources: ['192.0.2.0/24'] }) ?? '', /not for 10\.0\.0\.1/);
});

test('a WHERE counts that looks at a column of the table that is changed', () => {
  const bounded = (sql: string): boolean => {
    const examined = examine(sql);
    assert.ok(!(examined instanceof Promise));
    assert.equal(examined.classified.denied, null, sql);
    return !examined.classified.unbounded;
  };
  for (const sql of [
    'delete from t where id = 1',
    'delete from s.t where t.id = $1',
    'delete from t x where x.id = 1',
    'delete from t where current of c',
    'delete from t where id in (select id from o)',
    'delete from t where exists (select 1 from o where o.x = t.id)',
    'delete from t using o where o.id = t.id',
    'update t set a = 1 where coalesce(b, false)',
    'update t x set a = o.a from o where x.id = o.id',
    "insert into t values (1) on conflict (id) do update set a = 'x'",
    'merge into t using o on t.id = o.id when matched then delete',
    'merge into t using o on true when matched and t.id = 1 then update set a = 1',
    'merge into t using o on t.id = o.id when not matched then insert values (1)',
    'merge into t using o on t.id = o.id when not matched by source and t.old then delete',
    'with gone as (delete from t where id = 1 returning *) select * from gone',
  ]) {
    assert.ok(bounded(sql), sql);
  }
  for (const sql of [
    'delete from t',
    'delete from t where true',
    'delete from t where 1 = 1',
    'delete from t where $1',
    'delete from t where now() > current_date',
    'delete from t where exists (select 1 from o where x = 1)',
    'delete from t where (select a from o limit 1) is not null',
    'delete from t using o where o.id = 5',
    'delete from t x using t where t.id = 5',
    'update t set a = o.a from o where o.id = 5',
    'update t set a = (select b from o where o.id = t.id)',
    'merge into t using o on o.id = 5 when matched then delete',
    'merge into t using o on t.id = o.id when not matched by source then delete',
    'with gone as (delete from t returning *) select * from gone where id = 1',
    'truncate t',
    'delete from t where id = 1; delete from o',
  ]) {
    assert.ok(!bounded(sql), sql);
  }
});

test('a fingerprint is of one statement: in constants alone may others with it differ', () => {
  const of = (sql: string): string => {
    const examined = examine(sql);
    assert.ok(!(examined instanceof Promise));
    assert.match(examined.fingerprint ?? '', /^[0-9a-f]{16}$/, sql);
    return examined.fingerprint ?? '';
  };
  for (const same of [
    [
      'select a from s.t where id = 1',
      "select a from s.t where id = 'x'",
      'SELECT a /* c */ FROM "s".t WHERE id=$1',
    ],
    // The parser takes a list of constants for a constant.
    ['select a from t where id in (1)', 'select a from t where id in (2, 3)', 'select a from t where id = 1'],
    ['select a from t where id not in (1)', 'select a from t where id <> 1'],
    ['select a from t limit 1', 'select a from t limit 100'],
    ['insert into t (a) values (1)', 'insert into t (a) values (2), (3)'],
  ]) {
    assert.equal(new Set(same.map(of)).size, 1, same[0]);
  }
  const different = [
    'select a from t',
    'select a from s.t',
    'select a from hr.t',
    'select b from t',
    'select a, b from t',
    'select a from only t',
    'select distinct a from t',
    'select a from t for update',
    'select a from t where a = 1',
    'select a from t where a <> 1',
    'select a from t where a in (1, b)',
    'select a from t where a = 1 or true',
    'select a from t where f(a)',
    'select a from t where s.f(a)',
    'select a from t limit 1',
    'select a from t union select a from u',
    'select a from t union all select a from u',
    'explain select a from t',
    'explain analyze select a from t',
    'copy t to stdout',
    'copy s.t to stdout',
    'delete from t where a = 1',
    'delete from s.t where a = 1',
    'listen a',
    'listen b',
    'set a.b = 1',
    'set a.c = 1',
    "select set_config('a.b', 'x', false)",
    "select set_config('a.c', 'x', false)",
    'create table t (a int)',
    'create temp table t (a int)',
    'create temp table u (a int)',
    'drop table t',
    'drop table s.t',
  ];
  assert.equal(new Set(different.map(of)).size, different.length);
});
