import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { loadMasterKey } from './master-key.ts';
import { SecretBox } from './secrets.ts';

function place(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-vault-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('the master key is made once, private, and read again', (context) => {
  const dir = place(context);
  const key = loadMasterKey(dir, '');
  assert.equal(key.length, 32);
  assert.equal(statSync(join(dir, 'master.key')).mode & 0o777, 0o600);
  assert.deepEqual(loadMasterKey(dir, ''), key);
});

test('a master key that others may read, or that is malformed, is refused without being shown', (context) => {
  const dir = place(context);
  const file = join(dir, 'master.key');
  loadMasterKey(dir, '');
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(file, mode);
    assert.throws(() => loadMasterKey(dir, ''), /can be read by others/);
  }
  chmodSync(file, 0o600);
  for (const content of [
    '',
    'short',
    Buffer.alloc(31).toString('base64'),
    `${'A'.repeat(43)}!`,
    'B'.repeat(100_000),
  ]) {
    writeFileSync(file, content);
    assert.throws(
      () => loadMasterKey(dir, ''),
      (error: Error) =>
        /not 32 bytes/.test(error.message) && (content === '' || !error.message.includes(content)),
    );
  }
});

test('a master key that should be there is never replaced by a new one', (context) => {
  const dir = place(context);
  assert.throws(() => loadMasterKey(dir, join(dir, 'elsewhere.key')), /does not exist/);
  writeFileSync(join(dir, 'state.db'), '');
  assert.throws(() => loadMasterKey(dir, ''), /missing although/);
  assert.ok(!existsSync(join(dir, 'master.key')));
});

test('what was sealed opens, under its own key and for its own purpose only', () => {
  const box = new SecretBox(randomBytes(32));
  const other = new SecretBox(randomBytes(32));
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
