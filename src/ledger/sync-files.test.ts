import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { syncFiles } from './sync-files.ts';

describe('syncing many files', () => {
  const dir = fs.mkdtempSync(join(tmpdir(), 'postern-sync-'));
  after(() => fs.rmSync(dir, { recursive: true }));

  function open(count: number): number[] {
    return Array.from({ length: count }, (_, i) => {
      const fd = fs.openSync(join(dir, String(i)), 'w');
      fs.writeSync(fd, `file ${i}`);
      return fd;
    });
  }

  it('returns when all are synced, be they none, few, or more than there are places for', () => {
    for (const count of [0, 1, 5, 6, 200, 1500]) {
      const fds = open(count);
      syncFiles(fds);
      for (const fd of fds) fs.closeSync(fd);
    }
  });

  it('goes on and on: jobs are counted beyond the number of places', () => {
    const fds = open(100);
    for (let round = 0; round < 40; round++) syncFiles(fds);
    for (const fd of fds) fs.closeSync(fd);
  });

  it('throws what the system says of the one that cannot be synced, wherever it stands, and works after that', () => {
    const fds = open(50);
    const [reader, writer] = [fs.openSync('/dev/null', 'r'), fds[0] as number];
    for (const at of [0, 25, 49]) {
      // A device has nothing to sync.
      assert.throws(() => syncFiles(fds.with(at, reader)), { code: 'EINVAL', syscall: 'fsync' });
      syncFiles(fds);
    }
    assert.throws(() => syncFiles([reader]), { code: 'EINVAL', syscall: 'fsync' });
    syncFiles([writer]);
    for (const fd of [...fds, reader]) fs.closeSync(fd);
  });
});
