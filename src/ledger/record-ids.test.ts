import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { uuidv7 } from '../core/ids.ts';
import { RecordIds } from './record-ids.ts';

describe('ids of records', () => {
  test('an id that comes again is told with the leaf that had it first; another is not', () => {
    const ids = new RecordIds();
    const all = Array.from({ length: 20_000 }, () => uuidv7());
    for (const [leaf, id] of all.entries()) assert.equal(ids.add(id, leaf), null);
    for (const leaf of [0, 1, 777, 1023, 1024, 19_999]) {
      assert.equal(ids.add(all[leaf] as string, 30_000), leaf);
    }
    assert.equal(ids.add(uuidv7(), 30_001), null);
  });

  test('ids of any form are told apart as texts are', () => {
    const uuid = fc.uuid();
    const id = fc.oneof(
      uuid,
      uuid.map((text) => text.toUpperCase()),
      uuid.map((text) => text.replaceAll('-', '_')),
      uuid.map((text) => `${text.slice(0, 35)}\u0161`),
      fc.string({ maxLength: 40 }),
      fc.constantFrom(
        '00000000-0000-0000-0000-000000000000',
        '',
        '__proto__',
        'ffffffff-ffff-ffff-ffff-ffffffffffff',
      ),
    );
    fc.assert(
      fc.property(fc.array(id, { maxLength: 60 }), (texts) => {
        const ids = new RecordIds();
        const known = new Map<string, number>();
        for (const [leaf, text] of texts.entries()) {
          assert.equal(ids.add(text, leaf), known.get(text) ?? null);
          if (!known.has(text)) known.set(text, leaf);
        }
      }),
    );
  });

  test('two collections share an id exactly where one is in both, also after they were handed over', () => {
    const near = fc.nat(40).map((n) => `0190aaaa-000${n % 3}-7000-8000-${String(n).padStart(12, '0')}`);
    const list = fc.array(fc.oneof(near, fc.uuid(), fc.constantFrom('', 'x', 'X')), { maxLength: 30 });
    fc.assert(
      fc.property(list, list, (a, b) => {
        const [first, second] = [a, b].map((texts) => {
          const ids = new RecordIds();
          for (const [leaf, text] of texts.entries()) ids.add(text, leaf);
          return new RecordIds(structuredClone(ids.state()));
        }) as [RecordIds, RecordIds];
        const expected = a.some((text) => b.includes(text));
        assert.equal(first.shares(second), expected);
        assert.equal(second.shares(first), expected);
        for (const [leaf, text] of a.entries())
          assert.equal(first.add(text, 99), a.indexOf(text), String(leaf));
      }),
    );
  });
});
