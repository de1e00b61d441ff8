import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LONGEST_PAUSE_MS, pauseAfter, retryAfter, TRIES } from './pauses.ts';

test('the tries of a message are spread over about a day, and end', () => {
  let sum = 0;
  for (let attempts = 1; attempts < TRIES; attempts += 1)
    sum += pauseAfter(attempts, null, 0.5) ?? Number.NaN;
  assert.ok(sum > 20 * 3_600_000 && sum < 30 * 3_600_000);
  assert.equal(pauseAfter(TRIES, null, 0.5), null);
});

test('no pause is longer than the longest, whatever an endpoint asks for, and none shorter than planned', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: TRIES - 1 }),
      fc.nat(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (n, asked, r) => {
        const pause = pauseAfter(n, asked, r);
        return (
          pause !== null &&
          pause <= LONGEST_PAUSE_MS &&
          pause >= Math.min(asked, LONGEST_PAUSE_MS) &&
          pause >= 4000
        );
      },
    ),
  );
});

test('Retry-After is seconds or a date; anything else asks for nothing', () => {
  const now = Date.parse('2026-11-22T05:00:00Z');
  assert.equal(retryAfter('120', now), 120_000);
  assert.equal(retryAfter('Sun, 22 Nov 2026 05:01:00 GMT', now), 60_000);
  assert.equal(retryAfter('Sun, 22 Nov 2026 04:01:00 GMT', now), 0);
  for (const text of ['-1', '1e9', 'soon', '', '1'.repeat(30)]) assert.equal(retryAfter(text, now), null);
  assert.equal(retryAfter(undefined, now), null);
});
