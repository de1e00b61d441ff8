import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { describeConditions } from '../../core/condition-words.ts';
import { checkConditions } from '../../core/conditions.ts';
import { type ConditionOptions, conditionOptions, conditionsOf } from './conditions.ts';

function read(...args: string[]) {
  const command = new Command().exitOverride();
  for (const option of conditionOptions()) command.addOption(option);
  command.parse(args, { from: 'user' });
  return conditionsOf(command.opts<ConditionOptions>());
}

test('without options there are no conditions', () => {
  assert.deepEqual(read(), {});
});

test('every condition has an option, and each is said in plain words', () => {
  const { conditions } = read(
    ...['--max-rows', '10000', '--require-where', '--no-ddl', '--only-fingerprint', '00000000000000aa'],
    ...['--hours', 'mon-fri,sun 08:00-18:00 Europe/Berlin', '--hours', 'daily 23:00-24:00 UTC'],
    ...['--from', '10.20.0.0/16', '--from', '::1', '--statement-timeout', '30s', '--idle-timeout', '10m'],
    ...['--max-row-bytes', '65536'],
  );
  assert.ok(conditions);
  const checked = checkConditions(conditions);
  assert.deepEqual(checked, {
    maxRows: 10_000,
    requireWhere: true,
    noDdl: true,
    fingerprints: ['00000000000000aa'],
    hours: [
      {
        days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sun'],
        from: '08:00',
        to: '18:00',
        timeZone: 'Europe/Berlin',
      },
      {
        days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
        from: '23:00',
        to: '24:00',
        timeZone: 'UTC',
      },
    ],
    sources: ['10.20.0.0/16', '::1/128'],
    statementTimeoutMs: 30_000,
    idleTimeoutMs: 600_000,
    maxRowBytes: 65_536,
  });
  assert.deepEqual(describeConditions(checked), [
    'from 10.20.0.0/16, ::1/128',
    'mon-fri,sun 08:00-18:00 Europe/Berlin, or mon-sun 23:00-24:00 UTC',
    'statements with the fingerprint 00000000000000aa',
    'statements that create, alter and drop nothing',
    'UPDATE and DELETE with a WHERE that looks at a column',
    'results of at most 10,000 rows',
    'rows of at most 65,536 bytes',
    'statements of at most 30 s',
    'sessions idle for at most 10 min',
  ]);
});

test('days may go over the end of the week; what is no span of hours is refused', () => {
  assert.deepEqual(read('--hours', 'SAT-Mon 00:00-06:00 UTC').conditions?.hours?.[0]?.days, [
    'mon',
    'sat',
    'sun',
  ]);
  for (const wrong of ['', 'mon-fri', 'someday 08:00-18:00 UTC', 'mon 8-18 UTC', 'mon 08:00-18:00']) {
    assert.throws(() => read('--hours', wrong), /span of hours|day of the week/, wrong);
  }
  assert.throws(() => read('--max-rows', 'many'), /whole number/);
});
