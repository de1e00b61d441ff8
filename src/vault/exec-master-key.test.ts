import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ExecMasterKey } from './exec-master-key.ts';
import { Keyring } from './keyring.ts';
import { openMasterKey } from './master-key.ts';

/**
 * A program that keeps a key and does what it is asked, except as its first argument says. Its folder is only ours, so nobody else
 * could have changed it.
 */
const PROGRAM = `
const { readFileSync } = require('node:fs');
const crypto = require('node:crypto');
const [, , vice = '', name = 'one'] = process.argv;
const request = JSON.parse(readFileSync(0, 'utf8'));
const key = crypto.createHash('sha256').update(name).digest();
const say = (answer) => process.stdout.write(JSON.stringify(answer));
const aes = (data) => {
  const nonce = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(data), cipher.final(), cipher.getAuthTag()]);
};
const unaes = (data) => {
  const decipher = crypto.createDecipheriv('aes-256-gcm', key, data.subarray(0, 12));
  decipher.setAuthTag(data.subarray(-16));
  return Buffer.concat([decipher.update(data.subarray(12, -16)), decipher.final()]);
};
if (request.protocol !== 'postern-master-key-1') process.exit(9);
if (vice === 'hangs') setInterval(() => {}, 1000);
else if (vice === 'fails') process.exit(3);
else if (vice === 'floods') process.stdout.write('x'.repeat(1 << 20));
else if (vice === 'babbles') process.stdout.write('hidden-Zq81 is not JSON');
else if (request.operation === 'key-id') say({ keyId: vice === 'nameless' ? '' : 'hsm-' + name });
else if (request.operation === 'wrap') {
  const plain = Buffer.from(request.key, 'base64');
  if (vice === 'echoes') say({ wrapped: request.key });
  else if (vice === 'wraps-another') say({ wrapped: aes(Buffer.alloc(32, 9)).toString('base64') });
  else say({ wrapped: aes(plain).toString('base64') });
} else if (request.operation === 'unwrap') {
  const bytes = vice === 'echoes' ? Buffer.from(request.wrapped, 'base64') : unaes(Buffer.from(request.wrapped, 'base64'));
  if (vice === 'short') say({ key: bytes.subarray(0, 16).toString('base64') });
  else if (vice === 'unwraps-another') say({ key: Buffer.alloc(32, 7).toString('base64') });
  else say({ key: bytes.toString('base64') });
}
`;

interface Place {
  readonly dir: string;
  readonly program: string;
  command(vice?: string, name?: string): string[];
}

function place(context: TestContext): Place {
  // Not in the folder of all, which has a sticky bit and so is safe as well, but in one that is ours.
  const dir = mkdtempSync(join(tmpdir(), 'postern-exec-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const program = join(dir, 'program.cjs');
  writeFileSync(program, PROGRAM, { mode: 0o700 });
  return { dir, program, command: (vice = '', name = 'one') => [process.execPath, program, vice, name] };
}

test('a keyring is sealed for a key that never leaves its program, and one program takes over from another', async (context) => {
  const { dir, command } = place(context);
  const dataDir = join(dir, 'data');
  const keyring = await Keyring.open({ dataDir, source: { exec: command() } });
  assert.deepEqual([keyring.masterKey.id, keyring.masterKey.provider], ['hsm-one', 'exec']);
  assert.ok(!existsSync(join(dataDir, 'master.key')));
  await Keyring.open({ dataDir, source: { exec: command() } });
  await assert.rejects(Keyring.open({ dataDir, source: { exec: command('', 'two') } }), /hsm-one/);
  await keyring.prepare(await openMasterKey({ exec: command('', 'two') }));
  keyring.settle();
  const again = await Keyring.open({ dataDir, source: { exec: command('', 'two') } });
  assert.equal(again.masterKey.id, 'hsm-two');
  assert.deepEqual(again.keys.numbers, [1, 2]);
});

test('a program that hangs, fails, floods, lies or gives a short key opens nothing, and what it said is not repeated', async (context) => {
  const { dir, command } = place(context);
  const dataDir = join(dir, 'data');
  await Keyring.open({ dataDir, source: { exec: command() } });
  for (const vice of ['fails', 'floods', 'babbles', 'nameless', 'short', 'unwraps-another', 'echoes']) {
    await assert.rejects(
      Keyring.open({ dataDir, source: { exec: command(vice) } }),
      (error: Error & { code?: string }) =>
        error.code === 'POSTERN_INVALID' && !error.message.includes('hidden-Zq81'),
      vice,
    );
  }
  for (const vice of ['echoes', 'wraps-another', 'short', 'unwraps-another']) {
    await assert.rejects(Keyring.open({ dataDir: join(dir, vice), source: { exec: command(vice) } }), {
      code: 'POSTERN_INVALID',
    });
    assert.ok(!existsSync(join(dir, vice, 'keyring.json')), vice);
  }
  const before = readFileSync(join(dataDir, 'keyring.json'), 'utf8');
  const keyring = await Keyring.open({ dataDir, source: { exec: command() } });
  const liar = await openMasterKey({ exec: command('wraps-another', 'two') });
  await assert.rejects(keyring.prepare(liar), { code: 'POSTERN_INVALID' });
  assert.equal(keyring.takeover, null);
  assert.notEqual(readFileSync(join(dataDir, 'keyring.json'), 'utf8'), '');
  assert.ok(
    before.length > 0 && (await Keyring.open({ dataDir, source: { exec: command() } })).takeover === null,
  );
  await assert.rejects(ExecMasterKey.open(command('hangs'), 500), /longer than 0.5 seconds/);
});

test('a program that others could change, or that is not named by its path, is not run', async (context) => {
  const { dir, program, command } = place(context);
  const script = join(dir, 'script.sh');
  const proof = join(dir, 'it-ran');
  writeFileSync(script, `#!/bin/sh\ntouch ${proof}\n`, { mode: 0o755 });
  for (const mode of [0o775, 0o757, 0o777]) {
    chmodSync(script, mode);
    await assert.rejects(openMasterKey({ exec: [script] }), /changed by others/);
    await assert.rejects(openMasterKey({ command: [script] }), /changed by others/);
  }
  chmodSync(script, 0o755);
  chmodSync(dir, 0o777);
  await assert.rejects(openMasterKey({ exec: [script] }), /changed by others/);
  chmodSync(dir, 0o700);
  for (const relative of ['script.sh', './script.sh', 'node'])
    await assert.rejects(openMasterKey({ command: [relative, program] }), /absolute path/);
  assert.ok(!existsSync(proof));
  // No shell reads the arguments.
  const [, , ...rest] = command();
  assert.equal(rest.length, 2);
  await assert.rejects(openMasterKey({ command: ['/bin/echo', `; touch ${proof}`] }), /not 32 bytes/);
  assert.ok(!existsSync(proof));
});
