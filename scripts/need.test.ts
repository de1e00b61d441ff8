import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureDebianPackages, findCommand } from './need.ts';

test('a program is found on the path only when it may be executed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-test-'));
  try {
    const file = join(directory, 'postern-no-such-program');
    writeFileSync(file, '#!/bin/sh\n', { mode: 0o644 });
    assert.equal(findCommand('postern-no-such-program', directory), null);
    chmodSync(file, 0o755);
    assert.equal(findCommand('postern-no-such-program', directory), file);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('what is installed is left alone: no package is asked for', () => {
  ensureDebianPackages([{ command: 'sh', package: 'no-such-package' }]);
});
