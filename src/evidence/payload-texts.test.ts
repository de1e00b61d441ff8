import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readPayloads } from './payload-texts.ts';

const hex = (length: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '\n', '\u0000', '\u2028', '\ud800', '/', 'a', '}', '{'),
    maxLength: 12,
  }),
);
const payload = fc.record({ commitment: hex(64), bytes: fc.nat(), salt: hex(32), text });
const payloads = fc.oneof(
  fc.record({ statement: payload }),
  fc.record({ statement: payload, parameters: payload }),
);
const end = (value: unknown): string => `${JSON.stringify(value)}}`;

describe('payloads at the end of a row', () => {
  test('what is read is what parsing gives, and it was written as JSON.stringify writes it', () => {
    let read = 0;
    fc.assert(
      fc.property(payloads, (value) => {
        const found = readPayloads(end(value));
        if (found === null) return;
        read += 1;
        assert.deepEqual(found, JSON.parse(JSON.stringify(value)));
      }),
    );
    assert.equal(read > 20, true);
  });

  test('a text that is changed anywhere is parsed, or is again what JSON.stringify writes', () => {
    const change = fc.record({ at: fc.nat(), to: fc.string({ unit: 'binary', maxLength: 2 }) });
    fc.assert(
      fc.property(payloads, change, (value, { at, to }) => {
        const whole = end(value);
        const place = at % whole.length;
        // As it comes out of bytes: half a pair of surrogates does not.
        const changed = (whole.slice(0, place) + to + whole.slice(place + 1)).toWellFormed();
        const found = readPayloads(changed);
        if (found !== null) assert.equal(end(found), changed);
      }),
      { numRuns: 1000 },
    );
  });

  test('the usual ones are read without parsing; masked, erased, encoded and long ones are not', () => {
    const one = { commitment: 'a'.repeat(64), bytes: 3, salt: '0'.repeat(32) };
    const quoted = { ...one, text: '[{"text":"\\\n"}]' };
    assert.deepEqual(readPayloads(end({ statement: { ...one, text: 'x' }, parameters: quoted })), {
      statement: { ...one, text: 'x' },
      parameters: quoted,
    });
    const others = [{ base64: '/w==' }, { text: 'x'.repeat(9000) }, { text: '\u0001' }, { text: '\ud800' }];
    for (const other of others) assert.equal(readPayloads(end({ statement: { ...one, ...other } })), null);
    for (const other of [{ absent: 'erased' }, { masked: 'x' }]) {
      const { commitment, bytes } = one;
      assert.equal(readPayloads(end({ statement: { commitment, bytes, ...other } })), null);
    }
    assert.equal(readPayloads('{}}'), null);
    assert.equal(readPayloads(''), null);
  });
});
