import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatDuration } from '../../core/duration.ts';
import { CliError } from './failure.ts';
import { formatDistance, formatMicros, formatTime, parseDuration, parseMoment } from './time.ts';

const usage = (error: unknown): boolean => error instanceof CliError && error.exitCode === 2;

describe('durations', () => {
  it('are read in seconds, minutes, hours, days and weeks, and in sums of these', () => {
    const read: readonly [string, number][] = [
      ['90s', 90],
      ['15m', 900],
      ['2h', 7200],
      ['7d', 604_800],
      ['2w', 1_209_600],
      ['1h30m', 5400],
      [' 2H ', 7200],
    ];
    for (const [written, seconds] of read) assert.equal(parseDuration(written), seconds, written);
  });

  it('are refused when they are none, nothing or endless', () => {
    for (const bad of [
      '',
      '2',
      'h',
      '-2h',
      '2 h',
      '1.5h',
      '0s',
      '0h0m',
      '9999999d',
      '2y',
      '2h;',
      '1e3s',
      '９m',
    ]) {
      assert.throws(() => parseDuration(bad), usage, bad);
    }
  });

  it('are shown in their two largest units', () => {
    assert.equal(formatDuration(45), '45 ms');
    assert.equal(formatDuration(12_000), '12 s');
    assert.equal(formatDuration(7_500_000), '2 h 5 min');
    assert.equal(formatDuration(86_400_000), '1 d');
    assert.equal(formatDuration(59_999), '1 min');
    assert.equal(formatMicros(850), '850 µs');
    assert.equal(formatMicros(12_345), '12.3 ms');
    assert.equal(formatMicros(4_000_000), '4 s');
  });
});

describe('moments', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');

  it('are read from days, times with any offset, and durations from now', () => {
    assert.equal(parseMoment('2026-11-21', -1, now), '2026-11-21T00:00:00Z');
    assert.equal(parseMoment('2026-11-21T19:30:00Z', -1, now), '2026-11-21T19:30:00Z');
    assert.equal(parseMoment('2026-11-21 19:30+01:00', -1, now), '2026-11-21T18:30:00Z');
    assert.equal(parseMoment('2h', -1, now), '2026-11-21T10:00:00.000Z');
    assert.equal(parseMoment('2h', 1, now), '2026-11-21T14:00:00.000Z');
  });

  it('keep their microseconds', () => {
    assert.equal(parseMoment('2026-11-21T19:30:00.123456Z', -1, now), '2026-11-21T19:30:00.123456Z');
  });

  it('are refused when they do not exist or leave the zone open', () => {
    for (const bad of [
      '',
      'yesterday',
      '2026-13-01',
      '2026-02-31',
      '2026-11-21T19:30:00',
      '2026-11-21T25:00:00Z',
      '5',
    ]) {
      assert.throws(() => parseMoment(bad, -1, now), usage, bad);
    }
  });

  it('never fail otherwise, whatever is typed', () => {
    fc.assert(
      fc.property(fc.string(), (typed) => {
        try {
          assert.ok(!Number.isNaN(Date.parse(parseMoment(typed, -1, now))));
        } catch (error) {
          assert.ok(usage(error), String(error));
        }
      }),
    );
  });

  it('are shown in UTC to the second', () => {
    assert.equal(formatTime('2026-11-21T19:30:05.999999Z'), '2026-11-21 19:30:05Z');
    assert.equal(formatTime(null), '-');
    assert.equal(formatDistance('2026-11-21T14:00:00Z', now), 'in 2 h');
    assert.equal(formatDistance('2026-11-21T11:55:00Z', now), '5 min ago');
  });
});
