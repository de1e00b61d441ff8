import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConditions, type GrantConditions } from './conditions.ts';
import { PosternError } from './errors.ts';

const hours = { days: ['mon', 'fri'], from: '08:00', to: '18:00', timeZone: 'Europe/Berlin' } as const;

test('conditions have one canonical form, in which nothing stands that is no condition', () => {
  assert.deepEqual(checkConditions({}), {});
  const none: GrantConditions = {
    requireWhere: false,
    noDdl: false,
    fingerprints: [],
    hours: [],
    sources: [],
  };
  assert.deepEqual(checkConditions(none), {});
  assert.deepEqual(
    checkConditions({
      maxRows: 0,
      requireWhere: true,
      noDdl: true,
      fingerprints: ['FF00ff00ff00ff00', '00000000000000aa', 'ff00ff00ff00ff00'],
      hours: [{ ...hours, days: ['fri', 'mon', 'fri'], to: '24:00', timeZone: 'europe/berlin' }],
      sources: ['10.0.0.1', '2001:DB8::/32'],
      statementTimeoutMs: 1000,
      idleTimeoutMs: 86_400_000,
      maxRowBytes: 1024,
    }),
    {
      maxRows: 0,
      requireWhere: true,
      noDdl: true,
      fingerprints: ['00000000000000aa', 'ff00ff00ff00ff00'],
      hours: [{ ...hours, to: '24:00' }],
      sources: ['10.0.0.1/32', '2001:db8::/32'],
      statementTimeoutMs: 1000,
      idleTimeoutMs: 86_400_000,
      maxRowBytes: 1024,
    },
  );
});

test('what cannot be a condition is refused with the reason', () => {
  const wrong: readonly (readonly [GrantConditions, RegExp])[] = [
    [{ maxRows: -1 }, /maxRows/],
    [{ maxRows: 1.5 }, /maxRows/],
    [{ maxRows: Number.NaN }, /maxRows/],
    [{ statementTimeoutMs: 1 }, /statementTimeoutMs/],
    [{ idleTimeoutMs: 86_400_001 }, /idleTimeoutMs/],
    [{ maxRowBytes: 10 }, /maxRowBytes/],
    [{ fingerprints: ['select 1'] }, /fingerprint/],
    [{ fingerprints: Array.from({ length: 257 }, () => '00000000000000aa') }, /more than 256/],
    [{ sources: ['10.0.0.0/33'] }, /block of addresses/],
    [{ sources: ['10.0.0/8'] }, /block of addresses/],
    [{ sources: ['::ffff:1/129'] }, /block of addresses/],
    [{ sources: ['fe80::1%eth0'] }, /block of addresses/],
    [{ sources: ['example.org'] }, /block of addresses/],
    [{ hours: [{ ...hours, days: [] }] }, /days/],
    [{ hours: [{ ...hours, days: ['someday' as 'mon'] }] }, /days/],
    [{ hours: [{ ...hours, from: '8:00' }] }, /span of hours/],
    [{ hours: [{ ...hours, from: '24:00' }] }, /span of hours/],
    [{ hours: [{ ...hours, to: '24:01' }] }, /span of hours/],
    [{ hours: [{ ...hours, to: '17:60' }] }, /span of hours/],
    [{ hours: [{ ...hours, to: '08:00' }] }, /span of hours/],
    [{ hours: [{ ...hours, timeZone: 'Middle/Earth' }] }, /time zone/],
    [{ hours: [{ ...hours, timeZone: '+01:00' }] }, /time zone/],
    [{ hours: [{ ...hours, timeZone: 'A'.repeat(65) }] }, /time zone/],
  ];
  for (const [conditions, reason] of wrong) {
    assert.throws(
      () => checkConditions(conditions),
      (error) =>
        error instanceof PosternError && error.code === 'POSTERN_INVALID' && reason.test(error.message),
      JSON.stringify(conditions),
    );
  }
});
