import assert from 'node:assert/strict';
import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DataKeys } from '../core/data-keys.ts';
import { Store } from '../store/store.ts';
import { Keyring } from './keyring.ts';
import { readEnvelopes, writeEnvelopes } from './keyring-file.ts';
import { openMasterKey } from './master-key.ts';
import { sealedSetting } from './sealed-setting.ts';
import { SecretBox } from './secrets.ts';

function place(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-keyring-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function keyFile(dir: string, name: string, key = randomBytes(32)): string {
  const file = join(dir, name);
  writeFileSync(file, `${key.toString('base64')}\n`, { mode: 0o600 });
  return file;
}

const sealedBy = (keys: DataKeys): Buffer => new SecretBox(keys).seal(Buffer.from('s3cret'), 'x');
const opens = (keys: DataKeys, sealed: Buffer): boolean =>
  new SecretBox(keys).open(sealed, 'x').toString() === 's3cret';

test('the master key and the keyring are made once, private, and opened again', async (context) => {
  const dir = place(context);
  const sealed = sealedBy((await Keyring.open({ dataDir: dir })).keys);
  for (const name of ['master.key', 'keyring.json'])
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600);
  const again = await Keyring.open({ dataDir: dir });
  assert.ok(opens(again.keys, sealed));
  assert.equal(again.masterKey.provider, 'data directory');
  // Neither file alone says a key.
  const text = readFileSync(join(dir, 'keyring.json'), 'utf8');
  for (const [, bytes] of again.keys.export().keys)
    assert.ok(!text.includes(Buffer.from(bytes).toString('base64')));
});

test('a master key that others may read, or that is malformed, is refused without being shown', async (context) => {
  const dir = place(context);
  const file = join(dir, 'master.key');
  await Keyring.open({ dataDir: dir });
  for (const name of ['master.key', 'keyring.json']) {
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(join(dir, name), mode);
      await assert.rejects(() => Keyring.open({ dataDir: dir }), /can be read by others/);
    }
    chmodSync(join(dir, name), 0o600);
  }
  for (const content of ['', 'short', Buffer.alloc(31).toString('base64'), `${'A'.repeat(43)}!`]) {
    writeFileSync(file, content);
    await assert.rejects(
      () => Keyring.open({ dataDir: dir }),
      (error: Error) =>
        /not 32 bytes/.test(error.message) && (content === '' || !error.message.includes(content)),
    );
  }
  writeFileSync(file, 'B'.repeat(100_000));
  await assert.rejects(() => Keyring.open({ dataDir: dir }), /too long/);
});

test('a key or a keyring that should be there is never replaced by a new one', async (context) => {
  const dir = place(context);
  const elsewhere = { file: join(dir, 'elsewhere.key') };
  await assert.rejects(() => Keyring.open({ dataDir: dir, source: elsewhere }), /cannot be read/);
  writeFileSync(join(dir, 'state.db'), '');
  await assert.rejects(() => Keyring.open({ dataDir: dir }), /missing although/);
  assert.ok(!existsSync(join(dir, 'master.key')) && !existsSync(join(dir, 'keyring.json')));
  rmSync(join(dir, 'state.db'));

  const { keys } = await Keyring.open({ dataDir: dir });
  const store = Store.open(join(dir, 'state.db'));
  await sealedSetting(store.db, new SecretBox(keys), 'mask_key');
  await store.close();
  rmSync(join(dir, 'keyring.json'));
  await assert.rejects(() => Keyring.open({ dataDir: dir }), /keyring.* is missing although/);
  assert.ok(!existsSync(join(dir, 'keyring.json')));
});

test('with another master key, or one byte changed, the keyring does not open', async (context) => {
  const dir = place(context);
  await Keyring.open({ dataDir: dir });
  const own = readFileSync(join(dir, 'master.key'), 'utf8');
  keyFile(dir, 'master.key');
  await assert.rejects(() => Keyring.open({ dataDir: dir }), /sealed for the master key/);
  writeFileSync(join(dir, 'master.key'), own);
  const [envelope] = readEnvelopes(dir) ?? [];
  assert.ok(envelope);
  const flip = (base64: string): string => {
    const bytes = Buffer.from(base64, 'base64');
    bytes[20] = (bytes[20] as number) ^ 1;
    return bytes.toString('base64');
  };
  for (const change of [
    { wrapped: flip(envelope.wrapped) },
    { sealed: flip(envelope.sealed) },
    { since: '2020-01-01T00:00:00.000000Z' },
    { provider: 'file' },
  ]) {
    writeEnvelopes(dir, [{ ...envelope, ...change }]);
    await assert.rejects(() => Keyring.open({ dataDir: dir }), { code: 'POSTERN_INVALID' });
  }
  for (const text of ['', '{}', '[]', '{"format":"postern keyring 2","envelopes":[]}']) {
    writeFileSync(join(dir, 'keyring.json'), text);
    await assert.rejects(() => Keyring.open({ dataDir: dir }), /is not a keyring/);
  }
});

test('a new master key takes over in steps, and what any step leaves behind opens', async (context) => {
  const dir = place(context);
  const copyTo = (name: string): string => {
    const copy = join(dir, name);
    mkdirSync(copy, { mode: 0o700 });
    for (const file of ['master.key', 'master.key.next', 'keyring.json'])
      if (existsSync(join(dir, file))) copyFileSync(join(dir, file), join(copy, file));
    return copy;
  };
  const keyring = await Keyring.open({ dataDir: dir });
  const before = sealedBy(keyring.keys);
  const first = copyTo('first');
  // The process ends after the key is made and before the keyring is written.
  keyFile(first, 'master.key.next');
  const settledFirst = await Keyring.open({ dataDir: first });
  assert.equal(settledFirst.takeover, null);
  assert.ok(opens(settledFirst.keys, before) && !existsSync(join(first, 'master.key.next')));

  const takeover = await keyring.prepare(null);
  await assert.rejects(() => keyring.prepare(null), { code: 'POSTERN_CONFLICT' });
  // Nothing is sealed under a key that may still be taken back.
  assert.ok(opens(await reading(first), sealedBy(keyring.keys)));
  const prepared = await Keyring.open({ dataDir: copyTo('prepared') });
  assert.deepEqual(prepared.takeover?.after.id, takeover.after.id);
  assert.ok(opens(prepared.keys, before));
  prepared.settle();

  // The new key is in its place, the old envelope still there.
  const moved = copyTo('moved');
  copyFileSync(join(moved, 'master.key.next'), join(moved, 'master.key'));
  rmSync(join(moved, 'master.key.next'));
  const halfway = await Keyring.open({ dataDir: moved });
  assert.deepEqual(halfway.takeover, takeover);
  halfway.settle();
  assert.equal((await Keyring.open({ dataDir: moved })).takeover, null);

  const old = readFileSync(join(dir, 'master.key'), 'utf8');
  keyring.settle();
  const after = sealedBy(keyring.keys);
  const again = await Keyring.open({ dataDir: dir });
  assert.ok(opens(again.keys, before) && opens(again.keys, after));
  assert.equal(again.masterKey.id, takeover.after.id);
  assert.ok(!existsSync(join(dir, 'master.key.next')));
  // With the old key nothing opens any more, and the old keyring does not know the new data key.
  writeFileSync(join(dir, 'master.key'), old);
  await assert.rejects(() => Keyring.open({ dataDir: dir }), /sealed for the master key/);
  assert.throws(() => opens(settledFirst.keys, after), { code: 'POSTERN_INTERNAL' });
});

async function reading(dir: string): Promise<DataKeys> {
  const keys = await Keyring.read(dir, null);
  assert.ok(keys);
  return keys;
}

test('what was prepared can be taken back', async (context) => {
  const dir = place(context);
  const keyring = await Keyring.open({ dataDir: dir });
  const file = readFileSync(join(dir, 'master.key'), 'utf8');
  const { id } = keyring.masterKey;
  await keyring.prepare(null);
  keyring.abandon();
  assert.equal(keyring.takeover, null);
  assert.ok(!existsSync(join(dir, 'master.key.next')));
  assert.equal(readFileSync(join(dir, 'master.key'), 'utf8'), file);
  const again = await Keyring.open({ dataDir: dir });
  assert.deepEqual([again.masterKey.id, again.keys.numbers], [id, [1]]);
});

test('the key moves to another place and back, and each place that is left is emptied or told of', async (context) => {
  const dir = place(context);
  const outside = mkdtempSync(join(tmpdir(), 'postern-outside-'));
  context.after(() => rmSync(outside, { recursive: true, force: true }));
  const own = await Keyring.open({ dataDir: dir });
  const sealed = sealedBy(own.keys);
  const file = { file: keyFile(outside, 'one') };
  const moved = await Keyring.open({ dataDir: dir, source: file });
  assert.equal(moved.takeover?.after.provider, 'file');
  moved.settle();
  assert.ok(!existsSync(join(dir, 'master.key')), 'the old key lies there still');
  assert.ok(opens((await Keyring.open({ dataDir: dir, source: file })).keys, sealed));
  await assert.rejects(() => Keyring.open({ dataDir: dir }), /sealed for the master key .*\(file\)/);

  process.env.POSTERN_TEST_KEY = readFileSync(keyFile(outside, 'two'), 'utf8');
  const environment = { environment: 'POSTERN_TEST_KEY' };
  const other = await Keyring.open({ dataDir: dir, source: environment, former: file });
  other.settle();
  assert.equal(process.env.POSTERN_TEST_KEY, undefined, 'who is started later would inherit it');
  await assert.rejects(
    () => Keyring.open({ dataDir: dir, source: environment }),
    /POSTERN_TEST_KEY.*is empty/,
  );
  const command = { command: ['/bin/cat', join(outside, 'two')] };
  assert.ok(opens((await Keyring.open({ dataDir: dir, source: command })).keys, sealed));
  const back = await Keyring.open({ dataDir: dir, former: command });
  back.settle();
  assert.ok(opens((await Keyring.open({ dataDir: dir })).keys, sealed));
  // The same key again is no change.
  await assert.rejects(async () => back.prepare(await openMasterKey({ file: join(dir, 'master.key') })), {
    code: 'POSTERN_CONFLICT',
  });
});

test('a data directory of before there was a keyring is taken over with all that is sealed in it', async (context) => {
  const dir = place(context);
  const master = randomBytes(32);
  keyFile(dir, 'master.key', master);
  // As version 0.1 sealed: version 1, nonce, ciphertext, tag, under a key derived from the master key.
  const key = Buffer.from(hkdfSync('sha256', master, '', 'postern vault v1', 32));
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from('x'));
  const parts = [cipher.update('s3cret'), cipher.final()];
  const sealed = Buffer.concat([Buffer.of(1), nonce, ...parts, cipher.getAuthTag()]);
  const store = Store.open(join(dir, 'state.db'));
  await store.db.insertInto('settings').values({ name: 'mask_key', value: sealed }).execute();
  await store.close();

  const keyring = await Keyring.open({ dataDir: dir });
  assert.ok(opens(keyring.keys, sealed));
  assert.deepEqual([keyring.keys.numbers, keyring.keys.current], [[0, 1], 1]);
  assert.ok(keyring.keys.sequencerSeal.equals(DataKeys.of(master).sequencerSeal));
  const anew = new SecretBox(keyring.keys).renew(sealed, 'x');
  assert.ok(anew !== null && anew[0] === 2);
  keyring.drop([0]);
  const again = await Keyring.open({ dataDir: dir });
  assert.ok(opens(again.keys, anew));
  assert.throws(() => opens(again.keys, sealed), { code: 'POSTERN_INTERNAL' });
});
