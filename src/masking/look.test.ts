import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DETECTORS } from '../core/masks.ts';
import { contentLook, maskContent } from './content.ts';
import { findSecrets } from './detectors.ts';
import { ANYTHING, ESCAPES, look, lookAt, mayFind, needsOf } from './look.ts';
import { KEY, ruleView } from './plan.fixture.ts';
import { compileMasks } from './rules.ts';

/** Something for every detector, in the ways in which people write it. */
const SAMPLES = [
  'ada@bank.example',
  '"a b"@bank.example',
  'müller@bänk.example',
  '+49 (30) 1234-567',
  '0049/30/1234567',
  '030 1234567',
  '(212) 555-0123',
  '4111 1111 1111 1111',
  '4111\u00a01111\u20111111\u20091111',
  '4111-1111-1111-1111',
  '3782 822463 10005',
  'DE89 3704 0044 0532 0130 00',
  'de-89370400440532013000',
  'NO9386011117947',
  'GB29.NWBK.6016.1331.9268.19',
  '123-45-6789',
  '900 70 1234',
  'AB123456C',
  'ab 12 34 56 c',
  'AB-12-34-56-C',
  '86095742719',
  'AKIAIOSFODNN7EXAMPLE',
  `ghp_${'a1B2'.repeat(9)}`,
  `sk_live_${'a1'.repeat(9)}`,
  'xoxb-1234567890',
  'postgres://u:pässword@h/d',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  '-----BEGIN RSA PRIVATE KEY-----abc',
  '0123456789abcdef0123456789abcdef',
  'Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5',
];
const BETWEEN = [
  '',
  ' ',
  'x',
  '1',
  '.',
  '-',
  ':',
  '@',
  'ö',
  '\u00a0',
  '\u{1f600}',
  '\\',
  '"',
  'ab',
  '00 ',
  '\n',
  '/',
];

const text = fc
  .array(fc.oneof(fc.constantFrom(...SAMPLES), fc.constantFrom(...BETWEEN), fc.string({ unit: 'binary' })), {
    maxLength: 8,
  })
  .map((parts) => parts.join(''));

test('a look never says that there is nothing where a detector finds something', () => {
  fc.assert(
    fc.property(text, (each) => {
      const seen = lookAt(each);
      for (const detector of DETECTORS) {
        const found = findSecrets(each, [detector], ANYTHING);
        if (found.length > 0) assert.ok(mayFind(seen, detector), `${detector} in ${JSON.stringify(each)}`);
        assert.deepEqual(findSecrets(each, [detector]), found);
      }
    }),
    { numRuns: 1500 },
  );
});

test('every detector finds its samples behind a look, and in capitals and small letters as without one', () => {
  const found = new Set<string>();
  for (const sample of SAMPLES.flatMap((each) => [each, each.toLowerCase(), each.toUpperCase()])) {
    for (const { detector } of findSecrets(sample, DETECTORS, ANYTHING)) {
      found.add(detector);
      assert.ok(mayFind(lookAt(sample), detector), `${detector} in ${sample}`);
    }
  }
  assert.deepEqual([...found].sort(), [...DETECTORS].sort());
});

test('it looks at the stretch that it is asked for, and at nothing around it', () => {
  fc.assert(
    fc.property(text, text, text, (before, inside, after) => {
      const bytes = Buffer.from(before + inside + after);
      const start = Buffer.byteLength(before);
      const end = start + Buffer.byteLength(inside);
      // Halves of one character meet where texts are joined.
      fc.pre(bytes.equals(Buffer.concat([before, inside, after].map((each) => Buffer.from(each)))));
      assert.equal(look(bytes, start, end), lookAt(inside));
    }),
  );
});

test('what is passed over at the beginning changes nothing of what is asked for', () => {
  const asked = fc.subarray([...DETECTORS], { minLength: 1 });
  fc.assert(
    fc.property(asked, fc.constantFrom('text', 'jsonb'), text, text, (detectors, type, before, each) => {
      const { content } = compileMasks([ruleView({ detectors })], KEY);
      const bytes = Buffer.from(before + each);
      const start = Buffer.byteLength(before);
      const needs = needsOf(detectors) | (type === 'jsonb' ? ESCAPES : 0);
      const seen = contentLook(content, type)(bytes, start, bytes.length);
      assert.equal(seen, look(bytes, start, bytes.length) & needs);
    }),
    { numRuns: 1000 },
  );
});

test('ordinary texts are told without being searched', () => {
  for (const each of [
    'Person number 279993',
    'words of a note, words of a note, 1234567',
    '2026-11-21',
    '',
  ]) {
    for (const detector of ['email', 'card', 'iban', 'nino', 'jwt', 'ssn'] as const) {
      assert.ok(!mayFind(lookAt(each), detector), `${detector} in ${each}`);
    }
  }
});

test('a value of JSON is searched whatever its escapes hide, and one that is too long to search is not passed over', () => {
  const { content } = compileMasks([ruleView({ detectors: ['email'] })], KEY);
  const hidden = Buffer.from('{"a":"ada\\u0040bank.example"}');
  assert.ok(contentLook(content, 'jsonb')(hidden, 0, hidden.length) !== 0);
  assert.ok(
    maskContent(content, 'jsonb', hidden.toString(), contentLook(content, 'jsonb')(hidden, 0, hidden.length)),
  );
  const long = Buffer.alloc(65_537, 'x');
  assert.equal(contentLook(content, 'text')(long, 0, long.length), ANYTHING);
});
