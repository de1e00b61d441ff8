import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CellMask } from './mask-cells.ts';
import { Gathered, RowMasker, readShape, Slab } from './mask-rows.ts';
import { readDataRow } from './simple-query.ts';
import { Back, cstring, int16, int32, message, WireError } from './wire.ts';

function dataRow(values: readonly (string | null)[]): Buffer {
  const cells = values.flatMap((value) =>
    value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)],
  );
  return message(Back.dataRow, int16(values.length), ...cells);
}

const cell = (apply: CellMask['apply']): CellMask => ({ counts: new Map(), apply });
/** Longer, shorter, NULL, or left alone. */
const KINDS: readonly (CellMask | null)[] = [
  null,
  cell((buffer, start, end) => `${buffer.toString('utf8', start, end)}-longer than before`),
  cell(() => Buffer.alloc(0)),
  cell(() => null),
  cell(() => undefined),
];

function expected(kind: number, value: string | null): string | null {
  if (value === null || kind === 3) return null;
  if (kind === 1) return `${value}-longer than before`;
  return kind === 2 ? '' : value;
}

test('a rewritten row holds the masked values in their places and every other value as it was', () => {
  const value = fc.option(fc.string({ unit: 'grapheme', maxLength: 200 }), { nil: null });
  const column = fc.tuple(fc.nat(KINDS.length - 1), value);
  fc.assert(
    fc.property(fc.array(fc.array(column, { maxLength: 12 }), { minLength: 1, maxLength: 20 }), (rows) => {
      const slab = new Slab();
      const before = Buffer.alloc(7, 1);
      for (const row of rows) {
        const masker = new RowMasker(
          row.map(([kind]) => KINDS[kind] ?? null),
          slab,
        );
        const bytes = Buffer.concat([before, dataRow(row.map(([, each]) => each))]);
        const changed = masker.row(bytes, before.length, bytes.length);
        const out = changed ? slab.buffer.subarray(slab.start, slab.end) : bytes.subarray(before.length);
        assert.equal(out.readUInt32BE(1) + 1, out.length);
        assert.deepEqual(
          readDataRow(out),
          row.map(([kind, each]) => expected(kind, each)),
        );
      }
    }),
  );
});

test('rows in one slab do not overlap, whatever their sizes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200_000), { maxLength: 10 }), (sizes) => {
      const slab = new Slab();
      const masker = new RowMasker([cell((buffer, start, end) => buffer.subarray(start, end))], slab);
      const written = sizes.map((size, i) => {
        const row = dataRow([String.fromCharCode(97 + i).repeat(size)]);
        masker.row(row, 0, row.length);
        return { row, out: slab.buffer.subarray(slab.start, slab.end) };
      });
      for (const { row, out } of written) assert.ok(out.equals(row));
    }),
  );
});

test('a row whose lengths lie is refused, and never read beyond its end', () => {
  const masker = new RowMasker([null, KINDS[1] ?? null], new Slab());
  const good = dataRow(['a', 'b']);
  for (const [at, lie] of [
    [7, -2],
    [7, 1_000_000],
    [7, 0],
    [7, 2_147_483_647],
    [12, 2],
    [12, -1],
  ] as const) {
    const bad = Buffer.from(good);
    bad.writeInt32BE(lie, at);
    assert.throws(() => masker.row(bad, 0, bad.length), WireError, `${lie} at ${at}`);
  }
  assert.throws(() => masker.row(dataRow(['a']), 0, dataRow(['a']).length), WireError);
  assert.throws(() => masker.row(good, 0, 6), WireError);
});

test('any bytes at all are refused or masked, never more than that', () => {
  const masker = new RowMasker([cell(() => Buffer.from('x')), null], new Slab());
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const row = Buffer.from(bytes);
      try {
        masker.row(row, 0, row.length);
      } catch (error) {
        assert.ok(error instanceof WireError);
      }
      try {
        readShape(row, 0, row.length);
      } catch (error) {
        assert.ok(error instanceof WireError);
      }
    }),
  );
});

test('a description is read with table, number, type and format of each column', () => {
  const column = (name: string, table: number, number: number, type: number, format: number): Buffer =>
    Buffer.concat([
      cstring(name),
      int32(table),
      int16(number),
      int32(type),
      int16(-1),
      int32(-1),
      int16(format),
    ]);
  const shape = message(
    Back.rowDescription,
    int16(2),
    column('e', 4_000_000_000, 3, 25, 1),
    column('', 0, 0, 23, 0),
  );
  assert.deepEqual(readShape(shape, 0, shape.length), [
    { name: 'e', table: 4_000_000_000, number: 3, type: 25, binary: true },
    { name: '', table: 0, number: 0, type: 23, binary: false },
  ]);
});

test('a row in fragments is put together, and one over the limit is refused at its first byte', () => {
  const row = dataRow(['x'.repeat(100), null]);
  const gathered = new Gathered(row.length);
  assert.equal(gathered.add(row, 0, 10, true, false), null);
  assert.equal(gathered.add(row, 10, 50, false, false), null);
  assert.deepEqual(gathered.add(row, 50, row.length, false, true), row);
  assert.throws(() => new Gathered(row.length - 1).add(row, 0, 10, true, false), WireError);
});
