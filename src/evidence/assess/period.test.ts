import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readPeriod } from './period.ts';

const bounds = (name: string, zone?: string): readonly string[] => {
  const { since, until } = readPeriod(name, zone);
  return [since, until].map((time) => time.replace(':00.000000Z', 'Z'));
};

test('a year, half, quarter, month or day is from its first midnight to the one after its last', () => {
  assert.deepEqual(bounds('2026'), ['2026-01-01T00:00Z', '2027-01-01T00:00Z']);
  assert.deepEqual(bounds('2026-H2'), ['2026-07-01T00:00Z', '2027-01-01T00:00Z']);
  assert.deepEqual(bounds('2026-Q3'), ['2026-07-01T00:00Z', '2026-10-01T00:00Z']);
  assert.deepEqual(bounds('2026-Q4'), ['2026-10-01T00:00Z', '2027-01-01T00:00Z']);
  assert.deepEqual(bounds('2024-02'), ['2024-02-01T00:00Z', '2024-03-01T00:00Z']);
  assert.deepEqual(bounds('2024-02-29'), ['2024-02-29T00:00Z', '2024-03-01T00:00Z']);
  assert.deepEqual(bounds('2026-12-31'), ['2026-12-31T00:00Z', '2027-01-01T00:00Z']);
});

test('two days or times with a slash are from the first to the second, which is not included', () => {
  assert.deepEqual(bounds('2026-07-01/2026-10-01'), ['2026-07-01T00:00Z', '2026-10-01T00:00Z']);
  assert.deepEqual(readPeriod('2026-07-01T12:00:00+02:00/2026-07-02').since, '2026-07-01T10:00:00.000000Z');
});

test('days begin at midnight of the zone, also where clocks are put forward or back', () => {
  assert.deepEqual(bounds('2026-Q1', 'Europe/Zurich'), ['2025-12-31T23:00Z', '2026-03-31T22:00Z']);
  assert.deepEqual(bounds('2026-11-01', 'America/New_York'), ['2026-11-01T04:00Z', '2026-11-02T05:00Z']);
  assert.deepEqual(bounds('2026-07', 'Asia/Kolkata'), ['2026-06-30T18:30Z', '2026-07-31T18:30Z']);
  assert.deepEqual(bounds('2026-01', 'Pacific/Kiritimati'), ['2025-12-31T10:00Z', '2026-01-31T10:00Z']);
  // There was no midnight: the day began at one o'clock.
  assert.deepEqual(bounds('2018-11-04', 'America/Sao_Paulo'), ['2018-11-04T03:00Z', '2018-11-05T02:00Z']);
});

test('what is no period is refused, and so is one that ends before it begins', () => {
  for (const name of [
    ...[
      '',
      '26',
      '2026-13',
      '2026-00',
      '2026-Q5',
      '2026-H3',
      '2026-02-30',
      '2026-7',
      'last quarter',
      '2026/2027',
    ],
    ...['2026-07-02/2026-07-01', '2026-07-01/2026-07-01', '2026-07-01/', '2026-07-01/2026-07-02/2026-07-03'],
    '9'.repeat(10_000),
  ]) {
    assert.throws(() => readPeriod(name), { code: 'POSTERN_INVALID' }, name.slice(0, 40));
  }
  assert.throws(() => readPeriod('2026', 'Mars/Olympus'), /There is no time zone/);
});

test('months follow each other without gap or overlap, in every zone', () => {
  const zones = ['UTC', 'Europe/Zurich', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'];
  fc.assert(
    fc.property(
      fc.integer({ min: 2000, max: 2060 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(...zones),
      (year, month, zone) => {
        const name = (y: number, m: number): string => `${y}-${String(m).padStart(2, '0')}`;
        const next = month === 12 ? name(year + 1, 1) : name(year, month + 1);
        assert.equal(readPeriod(name(year, month), zone).until, readPeriod(next, zone).since);
      },
    ),
    { numRuns: 60 },
  );
});
