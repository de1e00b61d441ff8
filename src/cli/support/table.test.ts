import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { type Column, formatFields, TextTable } from './table.ts';
import { displayWidth } from './text.ts';

interface Row {
  readonly name: string;
  readonly count: number | null;
}
const COLUMNS: readonly Column<Row>[] = [
  { title: 'name', value: (row) => row.name, shrinkTo: 4 },
  { title: 'count', value: (row) => row.count, align: 'right' },
];
const lines = (text: string): string[] => stripVTControlCharacters(text).split('\n').slice(0, -1);

describe('tables', () => {
  it('align text to the left and numbers to the right', () => {
    const text = new TextTable(COLUMNS).format([
      { name: 'nightly-batch', count: 1234 },
      { name: 'x', count: null },
    ]);
    assert.deepEqual(lines(text), ['NAME           COUNT', 'nightly-batch  1,234', 'x                  -']);
  });

  it('cut what may be cut, and no more, where the terminal is narrow', () => {
    const [, row] = lines(new TextTable(COLUMNS, 16).format([{ name: 'nightly-batch', count: 1234 }]));
    assert.equal(row, 'nightly-…  1,234');
    const [, least] = lines(new TextTable(COLUMNS, 3).format([{ name: 'nightly-batch', count: 1234 }]));
    assert.equal(least, 'nig…  1,234');
  });

  it('never exceed the terminal as long as there is something to cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }),
        fc.integer({ min: 12, max: 60 }),
        (names, limit) => {
          const text = new TextTable(COLUMNS, limit).format(names.map((name) => ({ name, count: 7 })));
          for (const line of lines(text)) assert.ok(displayWidth(line) <= limit, JSON.stringify(line));
        },
      ),
    );
  });

  it('line up over several pages, with one head', () => {
    const table = new TextTable(COLUMNS, 40);
    const all = table.format([{ name: 'abcdef', count: 1 }]) + table.format([{ name: 'g', count: 2 }]);
    assert.deepEqual(lines(all), ['NAME    COUNT', 'abcdef      1', 'g           2']);
  });

  it('show one line per row and nothing that a terminal acts on', () => {
    const text = new TextTable(COLUMNS).format([{ name: 'a\nb\x1b[2Jc', count: 1 }]);
    assert.equal(lines(text)[1], 'a\\nb\\x1b[2Jc      1');
    assert.ok(!formatFields([['name', 'a\x1b]0;b\x07']]).includes('\x1b]'));
  });
});
