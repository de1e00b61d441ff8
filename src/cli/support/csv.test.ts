import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { csvField, csvRow } from './csv.ts';

/** A reader after RFC 4180, independent of the writer. */
function parseRow(line: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= line.length; ) {
    let field = '';
    if (line[at] === '"') {
      for (at += 1; at < line.length; at += 1) {
        if (line[at] === '"' && line[at + 1] === '"') at += 1;
        else if (line[at] === '"') break;
        field += line[at];
      }
      at += 1;
    } else {
      while (at < line.length && line[at] !== ',') field += line[at++];
    }
    fields.push(field);
    at += 1;
  }
  return fields;
}

describe('CSV', () => {
  it('keeps printable text as it is, whatever commas, quotes and line ends it holds', () => {
    const plain = fc.string({
      unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'ä', ' ', '1'),
      minLength: 1,
    });
    fc.assert(
      fc.property(
        fc.array(
          plain.map((text) => `x${text}`),
          { minLength: 1 },
        ),
        (fields) => {
          const row = csvRow(fields);
          assert.ok(row.endsWith('\r\n'));
          assert.deepEqual(parseRow(row.slice(0, -2)), fields);
        },
      ),
    );
  });

  it('never begins a field of text so that a spreadsheet takes it for a formula', () => {
    for (const evil of [
      '=1+1',
      '+1',
      '-1',
      '@SUM(A1)',
      '\t=1',
      '\r=1',
      '\n=1',
      ' =1',
      '|calc',
      '＝1',
      '="a"&B1',
      "=cmd|' /C calc'!A0",
    ]) {
      assert.match(csvField(evil), /^"?'/, evil);
    }
    fc.assert(fc.property(fc.string(), (text) => !/^"?[\s]*[=+\-@]/.test(csvField(text))));
  });

  it('writes numbers as numbers, negative ones too, and nothing for what is absent', () => {
    assert.equal(csvRow([-1, 2.5, null, undefined, true]), '-1,2.5,,,true\r\n');
  });

  it('escapes control characters', () => {
    assert.equal(csvField('a\x1b[31mb'), 'a\\x1b[31mb');
  });
});
