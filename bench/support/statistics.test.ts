import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, medianRatio, quantile } from './statistics.ts';

test('the median is the middle value, of an even count the mean of two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.throws(() => median([]), /no values/);
});

test('99 in 100 values do not exceed the 0.99 quantile', () => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  assert.equal(quantile(values, 0.99), 198);
  assert.equal(quantile([7], 0.99), 7);
  assert.throws(() => quantile([], 0.5), /no values/);
});

test('the ratio compares within each round', () => {
  assert.equal(medianRatio([10, 100, 40], [20, 200, 40]), 0.5);
});
