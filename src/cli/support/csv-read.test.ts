import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { csvField } from './csv.ts';
import { guard, readCsv, unguard } from './csv-read.ts';
import { CliError } from './failure.ts';

const cells = (text: string) => readCsv(text).map((record) => record.cells);

test('records and cells are read as RFC 4180 says, with the line in which each begins', () => {
  assert.deepEqual(readCsv('a,b\r\n1,2\r\n'), [
    { line: 1, cells: ['a', 'b'] },
    { line: 2, cells: ['1', '2'] },
  ]);
  assert.deepEqual(readCsv('a\n"x\ny",""\n\n"q""q"'), [
    { line: 1, cells: ['a'] },
    { line: 2, cells: ['x\ny', ''] },
    { line: 5, cells: ['q"q'] },
  ]);
  assert.deepEqual(cells('\uFEFFa,"b,c" \n'.replace(' ', '')), [['a', 'b,c']]);
  assert.deepEqual(cells('a,\n,b'), [
    ['a', ''],
    ['', 'b'],
  ]);
  assert.deepEqual(cells(''), []);
});

test('what is malformed is refused with its line', () => {
  for (const [text, message] of [
    ['a\n"b', /line 2 begins a quoted cell that does not end/],
    ['a\nb"c', /line 2 has a quote within a cell/],
    ['a\n"b"c', /line 2 has something behind a quoted cell/],
    ['a\rb', /line 1 has a CR without an LF/],
    [`${'a,'.repeat(100)}a`, /line 1 has more than 100 cells/],
  ] as const) {
    assert.throws(() => readCsv(text), { name: 'CliError', message }, text);
  }
});

test('what is written comes back, whatever it holds', () => {
  const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;
  const records = fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 5 }), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(records, fc.constantFrom('\n', '\r\n'), (wanted, end) => {
      const text = wanted.map((record) => record.map(quoted).join(',')).join(end);
      assert.deepEqual(cells(text), wanted);
    }),
  );
});

test('no text makes the reader fail in another way than by saying so', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '"', ',', '\r', '\n', ' ', '\uFEFF') }), (text) => {
      try {
        readCsv(text);
      } catch (error) {
        assert.ok(error instanceof CliError);
      }
    }),
  );
});

test('a text that a spreadsheet would run is guarded, and comes back as it was', () => {
  const dangerous = fc.stringMatching(/^'{0,3} {0,2}[=+@|\-a]{0,2}x?$/);
  fc.assert(
    fc.property(dangerous, (text) => {
      const written = cells(`${csvField(guard(text))},end`)[0]?.[0] ?? '';
      assert.ok(
        !/^\s*[=+\-@|]/.test(written),
        `${JSON.stringify(text)} is written ${JSON.stringify(written)}`,
      );
      assert.equal(unguard(written), text);
    }),
  );
});
