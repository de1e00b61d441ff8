import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeNumeric, encodeNumeric } from './mask-numeric.ts';
import { maskType } from './mask-types.ts';

function roundTrip(oid: number, text: string): string | null | undefined {
  const { encode, decode } = maskType(oid);
  const bytes = encode?.(text) ?? null;
  return bytes === null ? null : decode?.(bytes);
}

test('a numeric is the same text after its binary form', () => {
  const digits = fc.stringMatching(/^(0|[1-9]\d{0,40})$/);
  const fraction = fc.stringMatching(/^\d{0,30}$/);
  fc.assert(
    fc.property(fc.boolean(), digits, fraction, (negative, whole, rest) => {
      const text = `${whole}${rest === '' ? '' : `.${rest}`}`;
      const signed = negative && /[1-9]/.test(text) ? `-${text}` : text;
      assert.equal(decodeNumeric(encodeNumeric(signed) as Buffer), signed);
    }),
  );
});

test('numerics are written as the server writes them', () => {
  for (const [text, hex] of [
    ['0', '0000000000000000'],
    ['1', '000100000000000000 01'],
    ['73519.42', '0003000100000002000 70dbf1068'],
    ['-0.0001', '0001ffff400000040001'],
    ['10000', '00010001000000000001'],
  ] as const) {
    const expected = hex.replaceAll(' ', '');
    assert.equal(encodeNumeric(text)?.toString('hex'), expected, text);
    assert.equal(decodeNumeric(Buffer.from(expected, 'hex')), text);
  }
});

test('any bytes are decoded to a text or to nothing, and any text encoded or not', () => {
  const oids = [
    16, 17, 18, 20, 21, 23, 25, 114, 650, 700, 701, 869, 1082, 1114, 1184, 1700, 2950, 3802, 0, 99_999,
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...oids),
      fc.uint8Array({ maxLength: 40 }),
      fc.string(),
      (oid, bytes, text) => {
        const { decode, encode } = maskType(oid);
        const decoded = decode?.(Buffer.from(bytes)) ?? null;
        assert.ok(decoded === null || typeof decoded === 'string');
        const encoded = encode?.(text) ?? null;
        assert.ok(encoded === null || Buffer.isBuffer(encoded));
      },
    ),
  );
});

test('values of each type survive their binary form', () => {
  const cases: readonly (readonly [oid: number, text: string])[] = [
    [16, 't'],
    [16, 'f'],
    [17, '\\x00ff'],
    [20, '-9223372036854775808'],
    [20, '9223372036854775807'],
    [21, '-32768'],
    [23, '2147483647'],
    [25, 'Zoë'],
    [650, '10.0.0.0/8'],
    [869, '10.1.2.3'],
    [869, '10.1.2.0/24'],
    [701, '0.1'],
    [1082, '1984-07-09'],
    [1082, '0001-01-01'],
    [1082, '9999-12-31'],
    [1114, '1984-07-09 12:34:56'],
    [1184, '1999-12-31 23:59:59+00'],
    [2950, 'd3adb33f-1111-4222-8333-444455556666'],
    [3802, '{"a": 1}'],
  ];
  for (const [oid, text] of cases) assert.equal(roundTrip(oid, text), text, `${oid} ${text}`);
});

test('what a type cannot hold is not written: it becomes NULL instead of another value', () => {
  for (const [oid, text] of [
    [21, '32768'],
    [23, '2147483648'],
    [23, '1.5'],
    [20, '9223372036854775808'],
    [1082, 'yesterday'],
    [1082, '2026-13-01'],
    [2950, 'd3adb33f'],
    [1700, 'NaN'],
    [869, 'localhost'],
    [790, '1'],
    [600, '(0,0)'],
  ] as const) {
    assert.equal(maskType(oid).encode?.(text) ?? null, null, `${oid} ${text}`);
  }
});

test('days and instants are those of the server: counted from 2000-01-01', () => {
  const day = Buffer.alloc(4);
  assert.equal(maskType(1082).decode?.(day), '2000-01-01');
  const instant = Buffer.alloc(8);
  instant.writeBigInt64BE(-1n);
  assert.equal(maskType(1184).decode?.(instant), '1999-12-31 23:59:59.999999+00');
  instant.writeBigInt64BE(9_223_372_036_854_775_807n);
  assert.equal(maskType(1184).decode?.(instant), null, 'infinity');
});
