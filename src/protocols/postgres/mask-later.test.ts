/** Hashes that are written later come out in every format as those that are made at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnMask } from '../../masking/plan.fixture.ts';
import { maskTyped } from '../../masking/transforms.ts';
import type { CopyFormat } from './lineage.ts';
import { type CellMask, columnCell } from './mask-cells.ts';
import { CopyMasker } from './mask-copy.ts';
import { RowMasker, Slab } from './mask-rows.ts';
import { Back, int16, int32, message } from './wire.ts';

const TEXT = 25;
const mask = columnMask({ kind: 'hash' });
const later = (): CellMask => columnCell({ column: 'c', mask, shaped: false }, TEXT, false);
const atOnce: CellMask = {
  counts: new Map(),
  apply: (buffer, start, end) => maskTyped(mask, 'text', buffer.toString('utf8', start, end)),
};
/** Makes what it is given larger, so that the message moves while hashes wait. */
const larger: CellMask = { counts: new Map(), apply: () => 'x'.repeat(50_000) };

type Masker = (cells: readonly (CellMask | null)[], slab: Slab, each: () => void) => void;

/** The messages that come out, read when the whole of them is settled. */
function messages(cells: readonly (CellMask | null)[], run: Masker): Buffer {
  const slab = new Slab();
  const out: Buffer[] = [];
  run(cells, slab, () => out.push(slab.buffer.subarray(slab.start, slab.end)));
  slab.settle();
  return Buffer.concat(out);
}

/** Neither quotes nor what is escaped, but much of what delimiters may be. */
const value = fc.oneof(
  fc.stringMatching(/^[ a-z0-9@.]{0,60}$/),
  fc.string({ unit: fc.constantFrom('ö', ' ', 'g', 'ß') }),
);
const rows = fc.array(fc.tuple(value, value, value, value), { minLength: 1, maxLength: 12 });
const column = fc.constantFrom<'plain' | 'hashed' | 'larger'>('plain', 'hashed', 'hashed', 'larger');
const columns = fc.tuple(column, column, column, column);

function compare(kinds: readonly string[], run: Masker): void {
  const cells = (hashed: () => CellMask): (CellMask | null)[] =>
    kinds.map((kind) => (kind === 'plain' ? null : kind === 'larger' ? larger : hashed()));
  const expected = messages(
    cells(() => atOnce),
    run,
  );
  assert.ok(messages(cells(later), run).equals(expected));
}

const binaryRow = (values: readonly string[]): Buffer =>
  Buffer.concat([
    int16(values.length),
    ...values.flatMap((each) => [int32(Buffer.byteLength(each)), Buffer.from(each)]),
  ]);

test('in rows', () => {
  fc.assert(
    fc.property(columns, rows, (kinds, all) => {
      compare(kinds, (cells, slab, each) => {
        const masker = new RowMasker(cells, slab);
        for (const row of all) {
          const bytes = message(Back.dataRow, binaryRow(row));
          if (masker.row(bytes, 0, bytes.length)) each();
        }
      });
    }),
    { numRuns: 60 },
  );
});

test('in COPY data of each format, also where delimiter or quote is a digit of hashes', () => {
  const sign = fc.constantFrom('\t', ',', '0', 'a', 'f', 'g', '|');
  const format = fc.constantFrom<CopyFormat['format']>('text', 'csv', 'binary');
  fc.assert(
    fc.property(columns, rows, format, sign, sign, sign, (kinds, all, of, delimiter, quote, escaper) => {
      fc.pre(delimiter !== quote && delimiter !== escaper);
      const copy: CopyFormat = {
        format: of,
        delimiter,
        nullText: '\\N',
        quote,
        escape: escaper,
        header: false,
      };
      const clean = (text: string): string =>
        of === 'binary'
          ? text
          : [...text].filter((c) => c !== delimiter && c !== quote && c !== escaper).join('');
      const header = Buffer.concat([Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1'), int32(0), int32(0)]);
      const data = all.map((row) =>
        of === 'binary' ? binaryRow(row) : Buffer.from(`${row.map(clean).join(delimiter)}\n`),
      );
      if (of === 'binary') data.unshift(header);
      compare(kinds, (cells, slab, each) => {
        const masker = new CopyMasker(copy, cells, 1e6, slab);
        for (const part of data) masker.push(part, 0, part.length, each);
        masker.end();
      });
    }),
    { numRuns: 120 },
  );
});

test('the message that moves to a larger slab takes the hashes that wait along', () => {
  const values = ['a', 'b', 'c', 'd'];
  compare(['hashed', 'larger', 'hashed', 'larger'], (cells, slab, each) => {
    const masker = new RowMasker(cells, slab);
    for (let i = 0; i < 5; i++) {
      const bytes = message(Back.dataRow, binaryRow(values));
      masker.row(bytes, 0, bytes.length);
      each();
    }
  });
});
