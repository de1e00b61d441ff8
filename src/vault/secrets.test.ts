import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { DataKeys } from '../core/data-keys.ts';
import { SecretBox } from './secrets.ts';

test('what was sealed opens, under its own key and for its own purpose only', () => {
  const box = new SecretBox(DataKeys.of(randomBytes(32)));
  const other = new SecretBox(DataKeys.of(randomBytes(32)));
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.string(),
      fc.string(),
      fc.nat(),
      (secret, context, wrong, at) => {
        const sealed = box.seal(secret, context);
        assert.deepEqual(box.open(sealed, context), Buffer.from(secret));
        assert.throws(() => other.open(sealed, context), { code: 'POSTERN_INTERNAL' });
        if (Buffer.from(wrong).compare(Buffer.from(context)) !== 0) {
          assert.throws(() => box.open(sealed, wrong), { code: 'POSTERN_INTERNAL' });
        }
        const flipped = Buffer.from(sealed);
        flipped[at % flipped.length] = (flipped[at % flipped.length] as number) ^ 1;
        assert.throws(() => box.open(flipped, context), { code: 'POSTERN_INTERNAL' });
        assert.throws(() => box.open(sealed.subarray(0, at % sealed.length), context), {
          code: 'POSTERN_INTERNAL',
        });
      },
    ),
  );
});
