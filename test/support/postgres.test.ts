import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startPostgres } from './postgres.ts';
import { start, until } from './processes.ts';

test('a server speaks TLS only, verifies under its own authority, and asks for SCRAM-SHA-256', async () => {
  const postgres = await startPostgres({ databases: ['bank'] });
  try {
    const [row] = await postgres.query<{ version: string; ssl: boolean; method: string }>(
      `select current_setting('server_version') as version, ssl,
        (select left(rolpassword, 14) from pg_authid where rolname = 'postgres') as method
        from pg_stat_ssl where pid = pg_backend_pid()`,
      'bank',
    );
    assert.match(row?.version ?? '', /^18\./);
    assert.equal(row?.ssl, true);
    assert.equal(row?.method, 'SCRAM-SHA-256$');
    const plain = new pg.Client({
      host: postgres.host,
      port: postgres.port,
      ...postgres.superuser,
      database: 'bank',
      ssl: false,
    });
    await assert.rejects(plain.connect(), /no pg_hba.conf entry .* no encryption/);
    const untrusting = new pg.Client({
      host: postgres.host,
      port: postgres.port,
      ...postgres.superuser,
      ssl: true,
    });
    await assert.rejects(untrusting.connect(), /certificate/);
  } finally {
    await postgres.stop();
  }
});

test('without TLS a server speaks plain text, for comparison', async () => {
  const postgres = await startPostgres({ tls: false, settings: { work_mem: '7MB' } });
  try {
    assert.equal(postgres.caPem, '');
    assert.deepEqual(await postgres.query('select 1; show work_mem'), [{ work_mem: '7MB' }]);
  } finally {
    await postgres.stop();
  }
});

test('a stopped server leaves no process and no file', async () => {
  const postgres = await startPostgres();
  await postgres.stop();
  assert.equal(existsSync(postgres.dataDir), false);
  assert.equal(existsSync(`/proc/${postgres.pid}`), false);
  await postgres.stop();
});

test('a server ends, and its files go, when the process that started it is killed', async () => {
  const module = fileURLToPath(new URL('./postgres.ts', import.meta.url));
  const parent = await start(process.execPath, [
    '--input-type=module',
    '--eval',
    `const { startPostgres } = await import(${JSON.stringify(module)});
     const { pid, dataDir } = await startPostgres();
     console.log('started', pid, dataDir);
     setInterval(() => undefined, 1000);`,
  ]);
  const [, pid, dataDir] = await parent.waitFor(/started (\d+) (.*)\n/);
  assert.ok(existsSync(`/proc/${pid}`));
  await parent.stop('SIGKILL');
  await until(() => !existsSync(`/proc/${pid}`), 'the server ends');
  await until(() => !existsSync(join(dataDir as string, '..')), 'its files are removed');
});

test('a server that does not start is an error that shows what it said, and leaves no file', async () => {
  const before = process.env.TMPDIR;
  const directory = mkdtempSync(join(tmpdir(), 'postern-test-'));
  chmodSync(directory, 0o711);
  process.env.TMPDIR = directory;
  try {
    await assert.rejects(startPostgres({ settings: { no_such_setting: '1' } }), /no_such_setting/);
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(directory, { recursive: true });
  }
});
