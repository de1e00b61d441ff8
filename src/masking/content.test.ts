import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DETECTORS, type DetectorName, type Transform } from '../core/masks.ts';
import { addressMask, CONTENT_MAX, contentLook, isSearched, maskContent } from './content.ts';
import { findSecrets } from './detectors.ts';
import { KEY, ruleView, TRANSFORM_EXAMPLES } from './plan.fixture.ts';
import { type ContentMask, compileMasks } from './rules.ts';

const contentOf = (
  ...rules: readonly (readonly [Transform, readonly DetectorName[]])[]
): readonly ContentMask[] =>
  compileMasks(
    rules.map(([transform, detectors]) => ruleView({ detectors }, transform)),
    KEY,
  ).content;
const redact = contentOf([{ kind: 'redact' }, DETECTORS]);

const SECRETS = [
  'ada@bank.example',
  '+49 30 1234567',
  '4111 1111 1111 1111',
  'DE89 3704 0044 0532 0130 00',
  '123-45-6789',
  'AB123456C',
  '86095742719',
  `AKIA${'IOSFODNN7EXAMPLE'}`,
] as const;
const around = fc.stringMatching(/^[a-z ,;]{0,30}$/);

test('what was found is gone and the rest stays as it was', () => {
  assert.equal(
    maskContent(redact, 'text', 'write to ada@bank.example, or pay 4111 1111 1111 1111 today')?.text,
    'write to [masked], or pay [masked] today',
  );
  assert.equal(maskContent(redact, 'text', 'nothing here'), null);
  assert.equal(maskContent([], 'text', 'ada@bank.example'), null);
});

test('a masked value never holds the secret, whatever stands around it and whatever the transform', () => {
  const transform = fc.constantFrom(...TRANSFORM_EXAMPLES);
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...SECRETS), { minLength: 1, maxLength: 4 }),
      around,
      transform,
      (secrets, gap, how) => {
        const text = secrets.map((secret) => `${gap} ${secret} `).join('');
        const masked = maskContent(contentOf([how, DETECTORS]), 'text', text);
        assert.ok(masked);
        for (const secret of secrets)
          assert.ok(!masked.text?.includes(secret), `${how.kind}: ${masked.text}`);
        assert.deepEqual(maskContent(contentOf([how, DETECTORS]), 'text', text)?.text, masked.text);
      },
    ),
  );
});

test('addresses are masked in bytes as they are in text, or not at all', () => {
  const piece = fc.constantFrom(
    ...[
      '@',
      '@',
      '.',
      '..',
      '-',
      'a',
      'B',
      '7',
      '123456789',
      ' ',
      '"',
      '+',
      '{',
      'ö',
      '@b.c',
      'a@b.cd',
      'DE89',
    ],
    ...[
      'ada@bank.example',
      '<ada@bank.example>',
      '"a b"@bank.example',
      'a@b.c@d.ef',
      '\\',
      '4111111111111111',
    ],
  );
  const text = fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join(''));
  const transform = fc.constantFrom(...TRANSFORM_EXAMPLES);
  const detectors = fc.subarray<DetectorName>(['email', 'card', 'iban', 'phone', 'jwt'], { minLength: 1 });
  let quick = 0;
  fc.assert(
    fc.property(text, text, transform, detectors, transform, detectors, (before, value, a, of, b, others) => {
      const content = contentOf([a, of], [b, others]);
      const mask = addressMask(content, 'text');
      const bytes = Buffer.from(`${before}${value}@`);
      const start = Buffer.byteLength(before);
      const end = bytes.length - 1;
      const seen = contentLook(content, 'text')(bytes, start, end);
      const masked = mask?.apply(bytes, start, end, seen) ?? null;
      const expected = maskContent(content, 'text', bytes.toString('utf8', start, end));
      if (mask === null || mask.apply(bytes, start, end, seen) === null) return;
      quick += Number(masked !== null);
      assert.equal(masked, expected?.text ?? null, bytes.toString());
      if (masked !== null) assert.deepEqual(expected?.masks, [mask.mask]);
    }),
    { numRuns: 3000 },
  );
  assert.ok(quick > 100, `${quick} values were masked in bytes`);
});

test('addresses are not masked in bytes where that could be wrong', () => {
  const redactEmail = contentOf([{ kind: 'redact' }, ['email']]);
  assert.equal(addressMask(contentOf([{ kind: 'null' }, ['email']]), 'text'), null);
  assert.equal(addressMask(contentOf([{ kind: 'redact' }, ['card']]), 'text'), null);
  assert.equal(addressMask(redactEmail, 'jsonb'), null);
  const long = Buffer.from(`a@b.example${' '.repeat(CONTENT_MAX)}`);
  const seen = contentLook(redactEmail, 'text')(long, 0, long.length);
  assert.equal(addressMask(redactEmail, 'text')?.apply(long, 0, long.length, seen), null);
});

test('where two findings overlap, what is shown of both together holds neither', () => {
  for (const text of ['DE89 3704 0044 0532 0130 00  123-45-6789', '+49 30 1234567  123-45-6789']) {
    for (const how of TRANSFORM_EXAMPLES) {
      const masked = maskContent(contentOf([how, DETECTORS]), 'text', text)?.text ?? '';
      assert.ok(!masked.includes('123-45-6789') && !masked.includes('1234567'), `${how.kind}: ${masked}`);
    }
  }
});

test('masking twice finds nothing new in what was redacted', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SECRETS), around, (secret, gap) => {
      const once = maskContent(redact, 'text', `${gap} ${secret} ${gap}`)?.text ?? '';
      assert.deepEqual(findSecrets(once, DETECTORS), []);
    }),
  );
});

test('JSON stays JSON: strings, keys, escapes and long numbers are masked, the rest is left byte for byte', () => {
  const masked = (type: string, json: string): unknown =>
    JSON.parse(maskContent(redact, type, json)?.text ?? 'null') as unknown;
  assert.deepEqual(masked('jsonb', '{"mail": "ada@bank.example", "n": 1.50}'), { mail: '[masked]', n: 1.5 });
  assert.deepEqual(masked('json', '{"ada\\u0040bank.example":4111111111111111}'), { '[masked]': '[masked]' });
  assert.deepEqual(masked('json', '["say \\"ada@bank.example\\" \\\\"]'), ['say "[masked]" \\']);
  assert.deepEqual(masked('json', '"{\\"mail\\": \\"ada@bank.example\\"}"'), '{"mail": "[masked]"}');
  assert.equal(
    maskContent(redact, 'jsonb', '{"a": 12345678901234567890.10, "b": "ada@bank.example"}')?.text,
    '{"a": 12345678901234567890.10, "b": "[masked]"}',
  );
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom(...SECRETS),
      fc.constantFrom(...TRANSFORM_EXAMPLES),
      (value, secret, how) => {
        const json = JSON.stringify({ before: value, [`k ${secret}`]: [secret, value] });
        const done = maskContent(contentOf([how, DETECTORS]), 'jsonb', json);
        assert.ok(done);
        if (done.text === null) return;
        assert.ok(!done.text.includes(secret));
        JSON.parse(done.text);
      },
    ),
  );
});

test('where findings overlap, the strictest mask takes all of both', () => {
  const masks = contentOf(
    [{ kind: 'partial', keep: 16 }, ['high_entropy']],
    [{ kind: 'redact' }, ['aws_key']],
  );
  const key = `AKIA${'IOSFODNN7EXAMPLE'}wJalrXUtnFEMI7`;
  assert.equal(maskContent(masks, 'text', `k ${key} k`)?.text, 'k [masked] k');
});

test('a transform to NULL makes the whole value NULL, in text and in JSON', () => {
  const masks = contentOf([{ kind: 'null' }, ['email']], [{ kind: 'redact' }, ['iban']]);
  assert.equal(maskContent(masks, 'text', 'x ada@bank.example')?.text, null);
  assert.equal(maskContent(masks, 'jsonb', '{"a": ["ada@bank.example"]}')?.text, null);
  assert.equal(maskContent(masks, 'text', 'x DE89370400440532013000')?.text, 'x [masked]');
});

test('a text that is too long to search is masked whole, also where nothing is in it', () => {
  const long = `${'x '.repeat(CONTENT_MAX / 2)}y`;
  assert.equal(maskContent(redact, 'text', long)?.text, '[masked]');
  assert.equal(maskContent(redact, 'jsonb', JSON.stringify(long))?.text, '"[masked]"');
  assert.equal(maskContent(redact, 'mood', long)?.text, null);
  assert.equal(maskContent(redact, 'text', long.slice(0, CONTENT_MAX)), null);
  assert.equal(
    maskContent(contentOf([{ kind: 'partial', keep: 16 }, ['email']]), 'text', long)?.text,
    '[masked]',
  );
});

test('types that may hold text are searched, types that cannot are left alone', () => {
  for (const type of [
    'text',
    'varchar',
    'bpchar',
    'json',
    'xml',
    '_text',
    'record',
    'hstore',
    'mood',
    'tsvector',
  ]) {
    assert.ok(isSearched(type), type);
  }
  for (const type of ['int8', '_int8', 'numeric', 'uuid', 'bytea', 'timestamptz', 'bool']) {
    assert.ok(!isSearched(type), type);
  }
  assert.equal(maskContent(redact, 'int8', '4111111111111111'), null);
  assert.equal(maskContent(redact, '_text', '{ada@bank.example,"x y"}')?.text, '{[masked],"x y"}');
  assert.equal(maskContent(redact, 'record', '(1,"ada@bank.example")')?.text, '(1,"[masked]")');
});

test('the masks that were applied are named, and no others', () => {
  const masks = contentOf([{ kind: 'redact' }, ['email']], [{ kind: 'hash' }, ['iban']]);
  assert.deepEqual(
    maskContent(masks, 'text', 'x DE89370400440532013000')?.masks.map(({ transform }) => transform.kind),
    ['hash'],
  );
});

test('what comes as JSON and is none is searched as it stands', () => {
  const masked = (json: string): string | null | undefined => maskContent(redact, 'json', json)?.text;
  assert.equal(masked('"\\x ada@bank.example"'), '"\\\\x [masked]"');
  assert.equal(masked('{"a": "ada@bank.example'), '{"a": "[masked]"');
  assert.equal(masked('"ada@bank.example\\'), '"[masked]\\\\"');
  // Quotes without an end are not each looked at up to the end.
  assert.equal(maskContent(redact, 'json', '\\"'.repeat(CONTENT_MAX / 2)), null);
});
