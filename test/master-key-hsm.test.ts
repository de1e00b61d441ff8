import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ensureDebianPackages, PKCS11_TOOL, SOFTHSM } from '../scripts/need.ts';
import { startPostern } from './support/postern.ts';

const MODULE = '/usr/lib/softhsm/libsofthsm2.so';
const EXAMPLE = fileURLToPath(new URL('../examples/master-key-pkcs11.ts', import.meta.url));

describe('a master key in a security module (SoftHSM, through PKCS #11)', () => {
  let dir: string;
  let env: NodeJS.ProcessEnv;

  before(() => {
    ensureDebianPackages([SOFTHSM, PKCS11_TOOL]);
    dir = mkdtempSync(join(tmpdir(), 'postern-hsm-'));
    mkdirSync(join(dir, 'tokens'));
    const conf = join(dir, 'softhsm.conf');
    writeFileSync(conf, `directories.tokendir = ${join(dir, 'tokens')}\nobjectstore.backend = file\n`);
    writeFileSync(join(dir, 'pin'), '1234\n', { mode: 0o600 });
    copyFileSync(EXAMPLE, join(dir, 'program.ts'));
    chmodSync(join(dir, 'program.ts'), 0o600);
    env = { ...process.env, SOFTHSM2_CONF: conf };
    const quiet = { env, stdio: 'ignore' } as const;
    execFileSync(
      'softhsm2-util',
      ['--init-token', '--free', '--label', 'postern', '--pin', '1234', '--so-pin', '5678'],
      quiet,
    );
    for (const id of ['01', '02']) {
      const pair = ['--keypairgen', '--key-type', 'rsa:2048', '--usage-decrypt', '--id', id];
      const login = ['--module', MODULE, '--token-label', 'postern', '--login', '--pin', '1234'];
      execFileSync('pkcs11-tool', [...login, ...pair], quiet);
    }
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const configured = (id: string): string[] => {
    const config = join(dir, 'config.json');
    const exec = [process.execPath, join(dir, 'program.ts'), MODULE, 'postern', id, join(dir, 'pin')];
    writeFileSync(config, JSON.stringify({ masterKey: { exec } }));
    return ['--config', config];
  };

  it('opens the data directory at every start, and another takes over when the configuration names it', async (context) => {
    const dataDir = join(dir, 'data');
    const first = await startPostern({ dataDir, args: configured('01'), env });
    context.after(() => first.stop('SIGKILL'));
    assert.ok(!existsSync(join(dataDir, 'master.key')));
    const before = await first.call<{ masterKey: { id: string; provider: string } }>('GET', '/v1/vault');
    assert.match(before.masterKey.id, /^pkcs11:[0-9a-f]{32}$/);
    await assert.rejects(first.call('POST', '/v1/vault/rotate-master-key', { reason: 'the same' }), {
      code: 'POSTERN_CONFLICT',
    });
    configured('02');
    const done = await first.call<{ before: { id: string }; after: { id: string } }>(
      'POST',
      '/v1/vault/rotate-master-key',
      { reason: 'another key of the module' },
    );
    assert.equal(done.before.id, before.masterKey.id);
    await first.stop();
    await assert.rejects(
      startPostern({ dataDir, args: configured('01'), env, token: first.token }),
      /sealed for/,
    );
    const second = await startPostern({ dataDir, args: configured('02'), env, token: first.token });
    context.after(() => second.stop('SIGKILL'));
    const now = await second.call<{ masterKey: { id: string } }>('GET', '/v1/vault');
    assert.equal(now.masterKey.id, done.after.id);
  });
});
