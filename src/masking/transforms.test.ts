import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Transform } from '../core/masks.ts';
import { columnMask, TRANSFORM_EXAMPLES } from './plan.fixture.ts';
import { maskTyped } from './transforms.ts';

const digits = (min: number, max: number) =>
  fc.stringMatching(new RegExp(`^[1-9][0-9]{${min - 1},${max - 1}}$`));
const bounded = (least: bigint, most: bigint) => fc.bigInt(least, most).map(String);
const two = (min: number, max: number) => fc.integer({ min, max }).map((n) => String(n).padStart(2, '0'));
const date = fc
  .tuple(fc.integer({ min: 1000, max: 9999 }), two(1, 12), two(1, 28))
  .map((parts) => parts.join('-'));
const time = fc.tuple(two(0, 23), two(0, 59), two(0, 59)).map((parts) => parts.join(':'));
const octets = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
  .map((parts) => parts.join('.'));

const DATE = /^\d{4,}-\d\d-\d\d$/;
const STAMP = /^\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d$/;

/** Texts of a type, and what every valid text of the type matches. */
const TYPES: Readonly<Record<string, readonly [fc.Arbitrary<string>, (text: string) => boolean]>> = {
  text: [fc.string(), () => true],
  varchar: [fc.string({ unit: 'binary' }), (text) => text.isWellFormed()],
  name: [fc.string({ maxLength: 40 }), (text) => Buffer.byteLength(text) <= 63],
  char: [fc.stringMatching(/^[a-z]$/), (text) => text.length === 1],
  int2: [bounded(-32_768n, 32_767n), (text) => within(text, 15n)],
  int4: [bounded(-(2n ** 31n), 2n ** 31n - 1n), (text) => within(text, 31n)],
  int8: [bounded(-(2n ** 63n), 2n ** 63n - 1n), (text) => within(text, 63n)],
  oid: [bounded(0n, 2n ** 32n - 1n), (text) => BigInt(text) >= 0n && BigInt(text) < 2n ** 32n],
  numeric: [
    fc.tuple(digits(1, 40), fc.stringMatching(/^(\.[0-9]{1,12})?$/)).map(([a, b]) => a + b),
    (text) => /^-?\d+(\.\d+)?$/.test(text),
  ],
  float8: [fc.double().map(String), (text) => text !== '' && Number.isFinite(Number(text))],
  bool: [fc.constantFrom('t', 'f'), (text) => /^[tf]$/.test(text)],
  uuid: [fc.uuid(), (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)],
  date: [date, (text) => DATE.test(text) && !Number.isNaN(Date.parse(text))],
  timestamp: [fc.tuple(date, time).map((parts) => parts.join(' ')), (text) => STAMP.test(text)],
  timestamptz: [
    fc.tuple(date, time).map((parts) => `${parts.join(' ')}.25+02`),
    (text) => text.endsWith('+00') && STAMP.test(text.slice(0, -3)),
  ],
  inet: [octets, (text) => /^\d+(\.\d+){3}(\/24)?$/.test(text)],
  jsonb: [fc.json(), isJson],
  bytea: [fc.stringMatching(/^\\x([0-9a-f]{2})*$/), (text) => /^\\x([0-9a-f]{2})*$/.test(text)],
  _text: [fc.constantFrom('{}', '{a,b}', '{"x y",NULL}'), (text) => text === '{}'],
  mood: [fc.constantFrom('sad', 'ok'), () => false],
};

function within(text: string, bits: bigint): boolean {
  const value = BigInt(text);
  return value >= -(2n ** bits) && value < 2n ** bits;
}

function isJson(text: string): boolean {
  JSON.parse(text);
  return true;
}

test('what comes out is a valid text of the type or NULL, and the same every time', () => {
  for (const [type, [values, valid]] of Object.entries(TYPES)) {
    for (const transform of TRANSFORM_EXAMPLES) {
      fc.assert(
        fc.property(values, (value) => {
          const masked = maskTyped(columnMask(transform), type, value);
          assert.equal(maskTyped(columnMask(transform), type, value), masked);
          assert.ok(masked === null || valid(masked), `${transform.kind} ${type} ${value} -> ${masked}`);
        }),
        { numRuns: 60 },
      );
    }
  }
});

test('no transform gives the whole value back, whatever it is', () => {
  const value = fc.oneof(fc.string({ minLength: 4 }), fc.string({ unit: 'grapheme', minLength: 4 }));
  for (const transform of TRANSFORM_EXAMPLES) {
    fc.assert(
      fc.property(value, (text) => {
        // What looks like a mask itself, or has less than four visible characters, hides nothing that matters.
        fc.pre(text.trim().length >= 4 && !/[*]|^\[|^\d{4}-\d\d-01/.test(text));
        const masked = maskTyped(columnMask(transform), 'text', text);
        assert.notEqual(masked?.trim(), text.trim(), transform.kind);
      }),
    );
  }
});

test('partial shows fewer than half of the characters, and never half a character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 16 }), (text, keep) => {
      const masked = maskTyped(columnMask({ kind: 'partial', keep }), 'text', text) as string;
      const shown = [...masked].slice(4);
      assert.ok(masked.isWellFormed());
      assert.ok(shown.length <= keep && shown.length * 2 <= Math.max(0, [...text.trimEnd()].length - 1));
    }),
  );
  assert.equal(maskTyped(columnMask({ kind: 'partial', keep: 4 }), 'bpchar', '123-45-6789   '), '****6789');
  assert.equal(maskTyped(columnMask({ kind: 'partial', keep: 4 }), 'text', '1234'), '****4');
});

test('hashes join: equal values of a type are equal, also written otherwise; others are not', () => {
  const hash = (type: string, text: string, key?: Uint8Array): string | null =>
    maskTyped(columnMask({ kind: 'hash' }, key), type, text);
  assert.equal(hash('text', 'ada'), hash('varchar', 'ada'));
  assert.equal(hash('bpchar', 'ada  '), hash('text', 'ada'));
  assert.equal(hash('citext', 'Ada'), hash('citext', 'aDA'));
  assert.equal(hash('numeric', '12.50'), hash('numeric', '12.5'));
  assert.notEqual(hash('numeric', '12.5'), hash('numeric', '125'));
  assert.notEqual(hash('numeric', '12.5'), hash('numeric', '-12.5'));
  assert.equal(
    hash('uuid', '01A1FFCB-ab5a-7000-b40f-d7fb16035685'),
    hash('uuid', '01a1ffcb-ab5a-7000-b40f-d7fb16035685'),
  );
  assert.notEqual(hash('text', 'ada'), hash('text', 'adb'));
  assert.notEqual(hash('text', 'ada'), hash('text', 'ada', Buffer.alloc(32, 8)));
  assert.match(String(hash('text', 'ada')), /^[0-9a-f]{32}$/);
  // In a narrow type different values would meet, and joins would lie.
  for (const type of ['int2', 'int4', 'bool', 'date', 'float8']) assert.equal(hash(type, '1'), null);
});

test('hashes of columns say nothing about what the same text gives as content', () => {
  const mask = columnMask({ kind: 'hash' });
  assert.notEqual(maskTyped(mask, 'text', 'ada'), maskTyped({ ...mask, domain: 'content' }, 'text', 'ada'));
});

test('a token has the shape of its value and is never the value', () => {
  const token = (text: string): string | null => maskTyped(columnMask({ kind: 'tokenise' }), 'text', text);
  assert.match(
    String(token('Ada.Boone-42@bank.example')),
    /^[A-Z][a-z]{2}\.[A-Z][a-z]{4}-\d\d@[a-z]{4}\.[a-z]{7}$/,
  );
  assert.equal(token('--'), null);
  assert.equal(token(''), null);
  assert.equal(token('x'.repeat(5000)), null);
  for (let i = 0; i < 10; i++) assert.notEqual(token(String(i)), String(i));
  const number = maskTyped(columnMask({ kind: 'tokenise' }), 'int4', '2147483647') as string;
  assert.ok(number.length === 10 && Number(number) < 2 ** 31);
});

test('generalising makes less exact and nothing else', () => {
  const to = (over: Partial<Extract<Transform, { kind: 'generalise' }>>, type: string, text: string) =>
    maskTyped(
      columnMask({ kind: 'generalise', date: 'month', bucket: 1000, prefix: 2, ...over }),
      type,
      text,
    );
  assert.equal(to({}, 'date', '2024-05-17'), '2024-05-01');
  assert.equal(to({ date: 'year' }, 'date', '2024-05-17'), '2024-01-01');
  assert.equal(to({}, 'timestamptz', '2024-05-17 10:11:12.123456+05:30'), '2024-05-01 00:00:00+00');
  for (const odd of ['infinity', '0044-03-15 BC', '17.05.2024', '05/17/2024']) {
    assert.equal(to({}, 'date', odd), null, odd);
  }
  assert.equal(to({}, 'int4', '48200'), '48000');
  assert.equal(to({}, 'int4', '-1'), '-1000');
  assert.equal(to({}, 'int2', '-32768'), null);
  assert.equal(to({}, 'numeric', '-1000.01'), '-2000');
  assert.equal(to({}, 'numeric', '999999999999999999999.99'), '999999999999999999000');
  assert.equal(to({}, 'float8', '1234.5'), '1000');
  for (const odd of ['NaN', 'Infinity', '-Infinity']) {
    assert.equal(to({}, 'numeric', odd), null);
    assert.equal(to({}, 'float8', odd), null);
  }
  assert.equal(to({}, 'text', '10115'), '10***');
  assert.equal(to({ prefix: 8 }, 'text', '10115'), '10***');
  assert.equal(to({}, 'text', '192.168.7.9'), '192.168.7.0/24');
  assert.equal(to({}, 'inet', '192.168.7.9/16'), '192.168.7.0/16');
  assert.equal(to({}, 'inet', '2001:db8:1:2::9'), '2001:db8:1::/48');
  assert.equal(to({}, 'inet', '::1'), '0:0:0::/48');
  assert.equal(to({}, 'inet', '::ffff:10.1.2.3'), '0:0:0::/48');
  assert.equal(to({}, 'bool', 't'), null);
});

test('a number of a hundred thousand digits costs no time', () => {
  for (const transform of TRANSFORM_EXAMPLES) {
    const masked = maskTyped(columnMask(transform), 'numeric', '9'.repeat(100_000));
    assert.ok(masked === null || masked.length < 100);
  }
});
