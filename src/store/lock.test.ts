import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PosternError } from '../core/errors.ts';
import { DataLock } from './lock.ts';

function place(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-lock-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'data');
}

test('a second holder of the same directory is refused by name, until the first lets go', (context) => {
  const dir = place(context);
  const first = DataLock.acquire(dir);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.throws(
    () => DataLock.acquire(dir),
    (error) =>
      error instanceof PosternError && error.code === 'POSTERN_CONFLICT' && error.message.includes(dir),
  );
  first.release();
  first.release();
  DataLock.acquire(dir).release();
});

test('another process is refused, and the lock of a killed process is free at once', async (context) => {
  const dir = place(context);
  const script = `
    import { DataLock } from ${JSON.stringify(new URL('lock.ts', import.meta.url).href)};
    globalThis.lock = DataLock.acquire(${JSON.stringify(dir)});
    process.stdout.write('held');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  assert.throws(() => DataLock.acquire(dir), PosternError);
  child.kill('SIGKILL');
  await once(child, 'exit');
  DataLock.acquire(dir).release();
});

test('a directory that others may write is refused', (context) => {
  const dir = place(context);
  DataLock.acquire(dir).release();
  chmodSync(dir, 0o770);
  assert.throws(() => DataLock.acquire(dir), /can be written by others/);
});
