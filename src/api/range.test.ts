import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteRange } from './range.ts';

const TAG = '"abc"';

test('a range is what RFC 9110 says it is, and anything else is the whole', () => {
  const cases: readonly [string | undefined, ReturnType<typeof byteRange>][] = [
    [undefined, null],
    ['bytes=0-', { from: 0, to: 9 }],
    ['bytes=3-5', { from: 3, to: 5 }],
    ['bytes=3-99', { from: 3, to: 9 }],
    ['bytes=-4', { from: 6, to: 9 }],
    ['bytes=-99', { from: 0, to: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-3', null],
    ['bytes=0-1,3-4', null],
    ['bytes=-', null],
    ['bytes=0-99999999999999999', null],
    ['lines=0-1', null],
  ];
  for (const [header, expected] of cases)
    assert.deepEqual(byteRange(header, undefined, TAG, 10), expected, header);
});

test('a range of another file than the one that is there is not sent', () => {
  assert.equal(byteRange('bytes=3-', '"old"', TAG, 10), null);
  assert.equal(byteRange('bytes=3-', `W/${TAG}`, TAG, 10), null);
  assert.deepEqual(byteRange('bytes=3-', TAG, TAG, 10), { from: 3, to: 9 });
});

test('whatever the header says, a range lies within the file', () => {
  const header = fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,17}-\d{0,17}$/));
  fc.assert(
    fc.property(header, fc.nat(), (text, size) => {
      const range = byteRange(text, undefined, TAG, size);
      if (range === null || range === 'unsatisfiable') return;
      assert.ok(range.from >= 0 && range.from <= range.to && range.to < size);
    }),
  );
});
