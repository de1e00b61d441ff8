/** A ledger on a disk that fails: what it refuses, what it keeps, and that it goes on by itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { attachFault, type Injection } from './support/faults.ts';
import { checkHistory, makeDirectory, makeLog, Witnessed } from './support/faults-history.ts';
import { ApiFailure, type PosternOptions, startPostern } from './support/postern.ts';
import { type Running, start } from './support/processes.ts';

const WRITER = fileURLToPath(new URL('./support/faults-writer.ts', import.meta.url));

/** A conversation with `faults-writer.ts`. */
class Writer {
  readonly witnessed: Witnessed = new Witnessed();
  readonly running: Running;
  #answers = 1;

  private constructor(running: Running) {
    this.running = running;
  }

  static async start(dir: string, run: string): Promise<Writer> {
    const running = await start(process.execPath, [WRITER, dir, run], { keepStdin: true });
    await running.waitFor(/ready \.\n/);
    return new Writer(running);
  }

  async ask(line: string): Promise<string> {
    this.running.child.stdin?.write(`${line}\n`);
    this.#answers += 1;
    await this.running.waitFor(new RegExp(`^([^\n]*\n){${this.#answers}}`));
    const answer = this.running.stdout.split('\n')[this.#answers - 1] ?? '';
    this.witnessed.hear(answer);
    return answer;
  }

  async end(): Promise<void> {
    this.running.child.stdin?.end();
    assert.deepEqual(await this.running.exited, { code: 0, signal: null }, this.running.stderr);
  }
}

describe('a disk that fails for a while is survived without a restart and without losing what was acknowledged:', () => {
  let dir = '';
  let writer: Writer;
  beforeEach(async () => {
    dir = makeDirectory();
    makeLog(dir, 490);
    writer = await Writer.start(dir, 'run');
  });
  afterEach(async () => {
    await writer.running.stop('SIGKILL');
    rmSync(dir, { recursive: true });
  });

  const writesAndSigns = async (): Promise<void> => {
    assert.match(await writer.ask('write 40'), /^wrote/);
    assert.match(await writer.ask('sync'), /^synced/);
    assert.match(await writer.ask('sign'), /^released/);
  };

  const fails = (
    what: string,
    injections: readonly Injection[],
    refused: Readonly<Record<'write' | 'sync' | 'sign', RegExp>>,
  ): void => {
    it(what, async () => {
      await writesAndSigns();
      for (let round = 0; round < 3; round++) {
        const fault = await attachFault(writer.running.pid, injections);
        try {
          assert.match(await writer.ask('write 30'), refused.write);
          assert.match(await writer.ask('sync'), refused.sync);
          assert.match(await writer.ask('sign'), refused.sign);
          assert.match(await writer.ask('write 3'), refused.write);
        } finally {
          await fault.end();
        }
        await writesAndSigns();
      }
      await writer.end();
      checkHistory(dir, writer.witnessed);
    });
  };

  const anything = /^/;
  const unavailable = /^refused POSTERN_AUDIT_UNAVAILABLE The journal cannot be written \((\w+)\)\.$/;
  const pwrite = ['pwrite64'];
  fails('no space for any write at a place', [{ calls: pwrite, effect: 'error=ENOSPC' }], {
    write: unavailable,
    sync: /^synced/,
    sign: anything,
  });
  fails(
    'no space, and what was begun cannot be cut off',
    [
      { calls: pwrite, effect: 'error=ENOSPC' },
      { calls: ['ftruncate'], effect: 'error=EIO' },
    ],
    { write: unavailable, sync: /^synced/, sign: anything },
  );
  fails('every other write fails', [{ calls: pwrite, effect: 'error=EIO:when=2+2' }], {
    write: anything,
    sync: anything,
    sign: /^refused/,
  });
  fails('nothing can be synced', [{ calls: ['fsync', 'fdatasync'], effect: 'error=EIO' }], {
    write: /^(wrote|refused POSTERN_AUDIT_UNAVAILABLE)/,
    sync: unavailable,
    sign: /^refused/,
  });
  fails('nothing can be renamed or deleted', [{ calls: ['rename', 'unlink'], effect: 'error=EIO' }], {
    write: /^wrote/,
    sync: /^synced/,
    sign: /^refused/,
  });
  fails(
    'a file system turned read-only',
    [{ calls: ['openat', 'mkdir', 'rename', 'unlink', 'ftruncate', 'pwrite64'], effect: 'error=EROFS' }],
    { write: unavailable, sync: /^synced/, sign: /^refused/ },
  );
  fails('nothing can be read', [{ calls: ['pread64'], effect: 'error=EIO' }], {
    write: /^wrote/,
    sync: /^synced/,
    sign: /^refused/,
  });
  fails('slow syncs', [{ calls: ['fsync', 'fdatasync'], effect: 'delay_enter=20000' }], {
    write: /^wrote/,
    sync: /^synced/,
    sign: /^released/,
  });
});

/** A file system of its own, in memory, that can be filled to the last byte. */
class SmallDisk {
  readonly dir: string = makeDirectory();

  constructor(mebibytes: number) {
    // Needs root, as does whoever wants to fill a disk without harm to others.
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0700`, 'tmpfs', this.dir]);
  }

  /** Takes all space but about `left` bytes. */
  fill(left: number): void {
    const { bavail, bsize } = statfsSync(this.dir);
    try {
      writeFileSync(join(this.dir, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - left), 1));
    } catch (error) {
      // Others write meanwhile: then it is full sooner.
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }

  free(): void {
    rmSync(join(this.dir, 'filler'));
  }

  remove(): void {
    execFileSync('umount', [this.dir]);
    rmSync(this.dir, { recursive: true });
  }
}

describe('a disk without space', () => {
  let disk: SmallDisk;
  beforeEach(() => {
    disk = new SmallDisk(24);
  });
  afterEach(() => disk.remove());

  it('stops the ledger wherever it gets, at any amount of space left, and it goes on when there is space', async () => {
    const dir = join(disk.dir, 'data');
    mkdirSync(dir);
    makeLog(dir, 490);
    const writer = await Writer.start(dir, 'run');
    try {
      let refusals = 0;
      for (let left = 0; left <= 160_000; left += 8_000) {
        disk.fill(left);
        for (let turn = 0; turn < 4; turn++) {
          for (const order of ['write 60', 'sync', 'sign']) {
            if ((await writer.ask(order)).startsWith('refused')) refusals += 1;
          }
        }
        disk.free();
        for (const order of ['write 1', 'sync', 'sign'])
          assert.doesNotMatch(await writer.ask(order), /^refused/);
      }
      assert.ok(refusals > 40, `${refusals} refusals`);
      await writer.end();
      checkHistory(dir, writer.witnessed);
    } finally {
      await writer.running.stop('SIGKILL');
    }
  });

  it('refuses every change of who may do what, leaves state as it was, and takes changes again without a restart', async () => {
    const dataDir = join(disk.dir, 'data');
    const options: PosternOptions = { dataDir, args: ['--workers', '1'] };
    let postern = await startPostern(options);
    try {
      const create = (name: string): Promise<unknown> =>
        postern.call('POST', '/v1/principals', {
          ...{
            name,
            kind: 'agent',
            owner: 'admin@example.com',
            backupOwner: 'backup@example.com',
            purpose: 'x'.repeat(1000),
            environment: 'test',
          },
        });
      const names = async (): Promise<string[]> =>
        (await postern.call<{ items: { name: string }[] }>('GET', '/v1/principals')).items.map(
          ({ name }) => name,
        );
      await create('before');
      const taken = ['before'];
      for (let left = 0; left <= 60_000; left += 12_000) {
        disk.fill(left);
        for (let n = 0; n < 20; n++) {
          const name = `p-${left}-${n}`;
          try {
            await create(name);
            taken.push(name);
          } catch (error) {
            assert.ok(error instanceof ApiFailure, String(error));
            assert.equal(error.code, 'POSTERN_AUDIT_UNAVAILABLE', error.message);
            // What is recorded happens, if later.
            if (error.message.includes('The change is recorded')) taken.push(name);
          }
        }
        assert.ok(taken.length < 121);
        disk.free();
        const name = `after-${left}`;
        await create(name);
        taken.push(name);
        assert.deepEqual((await names()).sort(), taken.sort());
      }
      const { token } = postern;
      await postern.stop();
      postern = await startPostern({ ...options, token });
      assert.deepEqual((await names()).sort(), taken.sort());
    } finally {
      await postern.stop('SIGKILL');
    }
  });
});
