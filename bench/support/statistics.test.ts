import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, medianRatio } from './statistics.ts';

test('the median is the middle value, of an even count the mean of two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.throws(() => median([]), /no values/);
});

test('the ratio compares within each round', () => {
  assert.equal(medianRatio([10, 100, 40], [20, 200, 40]), 0.5);
});
