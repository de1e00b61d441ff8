import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { MaskKey } from './key.ts';

test('a digest is HMAC-SHA-256 of the domain and the text', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.string({ unit: 'binary' }),
      (key, text) => {
        const expected = createHmac('sha256', key).update(`d\0${text}`).digest();
        assert.deepEqual(new MaskKey(key).digest('d', text), expected);
      },
    ),
  );
});

test('a key shows nothing of itself, however it is printed', () => {
  const bytes = randomBytes(32);
  const key = new MaskKey(bytes);
  const shown = [JSON.stringify({ key }), inspect(key, { showHidden: true, depth: 9 }), String(key)].join(
    '\n',
  );
  for (const encoding of ['hex', 'base64'] as const) assert.ok(!shown.includes(bytes.toString(encoding)));
  assert.deepEqual(Object.getOwnPropertyNames(key), []);
});
