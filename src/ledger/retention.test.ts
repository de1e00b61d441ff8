import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byDay, isDue, longest } from './retention.ts';

const at = (time: string): number => Date.parse(time);

test('a text is due when its day, and after it the days it is kept for, are over', () => {
  const keep = { statements: 400, parameters: 1 };
  const day = '2026-11-21';
  assert.equal(isDue('parameters', day, keep, at('2026-11-22T23:59:59.999Z')), false);
  assert.equal(isDue('parameters', day, keep, at('2026-11-23T00:00:00Z')), true);
  assert.equal(isDue('statement', day, keep, at('2027-12-26T23:59:59Z')), false);
  assert.equal(isDue('statement', day, keep, at('2027-12-27T00:00:00Z')), true);
  assert.equal(isDue('record', day, keep, at('2027-12-27T00:00:00Z')), true);
});

test('what has no limit, or no day, is never due', () => {
  const never = { statements: null, parameters: null };
  for (const kind of ['statement', 'parameters', 'record'] as const) {
    assert.equal(isDue(kind, '1990-01-01', never, at('2999-01-01T00:00:00Z')), false);
    assert.equal(
      isDue(kind, '0000-00-00', { statements: 1, parameters: 1 }, at('2999-01-01T00:00:00Z')),
      false,
    );
  }
});

test('of several limits the longest counts, and none is longer than no limit', () => {
  assert.deepEqual(
    longest([
      { statements: 10, parameters: 90 },
      { statements: 20, parameters: null },
    ]),
    { statements: 20, parameters: null },
  );
});

test('kinds of one principal and day go together', () => {
  assert.deepEqual(
    byDay([
      { principalId: 'p', day: 'd', kind: 'statement' },
      { principalId: 'q', day: 'd', kind: 'statement' },
      { principalId: 'p', day: 'd', kind: 'parameters' },
    ]),
    [
      { principalId: 'p', day: 'd', kinds: ['statement', 'parameters'] },
      { principalId: 'q', day: 'd', kinds: ['statement'] },
    ],
  );
});
