import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ByteSource } from './package-files.ts';
import { TextCursor } from './readers.ts';

/** Gives out a few bytes at a time. */
function sourceOf(bytes: Uint8Array, step: number): ByteSource {
  let at = 0;
  return {
    read: (into) => {
      const part = bytes.subarray(at, at + Math.min(step, into.length));
      into.set(part);
      at += part.length;
      return part.length;
    },
    close: () => undefined,
  };
}

describe('reading a file beside what must be in it', () => {
  const piece = fc.oneof(
    fc.constantFrom('a', 'bb', '\n', 'é', '\u2028', '\ud83d\ude00', '\ufeff'),
    fc.string({ unit: 'grapheme' }),
  );
  const step = fc.integer({ min: 1, max: 9 });

  test('the file is taken piece by piece however it is cut, and nothing is left', () => {
    fc.assert(
      fc.property(fc.array(fc.array(piece), { maxLength: 8 }), step, (lines, size) => {
        const text = lines.flat().join('');
        const cursor = new TextCursor(sourceOf(Buffer.from(text), size));
        for (const pieces of lines) assert.equal(cursor.takes(pieces), true);
        assert.deepEqual([cursor.end(), cursor.valid], [true, true]);
      }),
    );
  });

  test('where anything else comes it stays, and the lines are those of the file', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é') }),
        fc.array(piece),
        step,
        (text, pieces, size) => {
          const cursor = new TextCursor(sourceOf(Buffer.from(text), size));
          const joined = pieces.join('');
          assert.equal(cursor.takes(pieces), text.startsWith(joined));
          const rest = text.startsWith(joined) ? text.slice(joined.length) : text;
          const lines: string[] = [];
          for (let line = cursor.line(); line !== null; line = cursor.line()) lines.push(line);
          assert.deepEqual(lines, rest === '' ? [] : rest.replace(/\n$/, '').split('\n'));
          assert.equal(cursor.cut, rest !== '' && !rest.endsWith('\n'));
        },
      ),
    );
  });

  test('bytes that are no UTF-8 are not taken for the sign that stands in for them', () => {
    const cursor = new TextCursor(sourceOf(Buffer.from([0x61, 0xff, 0x0a, 0x62, 0x0a]), 2));
    assert.equal(cursor.line(), 'a\ufffd');
    assert.equal(cursor.line(), 'b');
    assert.deepEqual([cursor.line(), cursor.valid], [null, false]);
  });
});
