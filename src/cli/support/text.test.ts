import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { displayWidth, safeBlock, safeJson, safeLine } from './text.ts';

const text = fc.string({ unit: 'binary', maxLength: 60 });
const hostile = fc.oneof(
  text,
  fc.string({
    unit: fc.constantFrom('\x1b', ']', '0', ';', '\x07', '\x9b', '\u202e', '\u2028', '\ud800', 'a'),
    maxLength: 20,
  }),
);
const INVISIBLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069\u200b-\u200f\ufeff\p{Cs}]/u;

describe('text on its way to a terminal', () => {
  it('holds nothing that a terminal acts on, whatever came in', () => {
    fc.assert(fc.property(hostile, (value) => !INVISIBLE.test(safeLine(value))));
    fc.assert(fc.property(hostile, (value) => !INVISIBLE.test(safeBlock(value).replaceAll('\n', ''))));
  });

  it('shows what was there instead of dropping it', () => {
    assert.equal(safeLine('a\x1b]0;title\x07b\n\t\x9b31m'), 'a\\x1b]0;title\\x07b\\n\\t\\x9b31m');
    assert.equal(safeLine('user\u202etxt.exe'), 'user\\u202etxt.exe');
    assert.equal(safeLine('Łódź 東京 🚪'), 'Łódź 東京 🚪');
  });

  it('keeps the lines of a block', () => {
    assert.equal(safeBlock('select 1;\r\n\tselect \x1b[2J;'), 'select 1;\n    select \\x1b[2J;');
  });

  it('is JSON that means the same and is as safe', () => {
    fc.assert(
      fc.property(fc.jsonValue(), hostile, (value, odd) => {
        const document = { value, odd };
        const written = safeJson(document, 2);
        assert.deepEqual(JSON.parse(written), JSON.parse(JSON.stringify(document)));
        assert.ok(!INVISIBLE.test(written.replaceAll('\n', '')));
      }),
    );
  });

  it('has the width that a terminal gives it', () => {
    assert.equal(displayWidth('ledger'), 6);
    assert.equal(displayWidth('é'), 1);
    assert.equal(displayWidth('e\u0301'), 1);
    assert.equal(displayWidth('東京'), 4);
    assert.equal(displayWidth('🚪'), 2);
  });
});
