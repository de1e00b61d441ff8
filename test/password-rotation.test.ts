import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { ApiFailure, startPostern } from './support/postern.ts';

const ADMIN = 'postern_admin';

interface Shown {
  readonly upstream: { readonly since: string };
  readonly admin: { readonly since: string } | null;
  readonly rotateSeconds: number | null;
  readonly faults: readonly string[];
}

describe('replacing the upstream password', () => {
  let bank: Bank;
  let dataDir: string;
  let who: Credential;

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'postern-rotation-'));
    bank = await Bank.start({ dataDir }, { settings: { log_statement: 'all', log_connections: 'on' } });
    await bank.server.query(`CREATE ROLE ${ADMIN} LOGIN CREATEROLE PASSWORD 'admin-Zq81'`);
    await bank.server.query(
      `GRANT ${bank.ledger.user} TO ${ADMIN} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE`,
    );
    who = await bank.identity('rotation-job', 'select on ledger.*');
  });
  after(async () => {
    await bank.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const rotate = (body: object = {}): Promise<Shown> =>
    bank.postern.call('POST', '/v1/resources/ledger-db/rotate-password', { reason: 'a test', ...body });
  const show = (): Promise<Shown> => bank.postern.call('GET', '/v1/resources/ledger-db');
  const restart = async (): Promise<void> => {
    const { token } = bank.postern;
    (bank as { postern: Bank['postern'] }).postern = await startPostern({ dataDir, token });
  };
  const select = async (): Promise<void> => {
    const client = await bank.connect(who);
    await client.query('SELECT count(*) FROM ledger.accounts');
    await client.end();
  };
  const stored = async (role: string): Promise<string> => {
    const [row] = await bank.server.query<{ v: string }>(
      `SELECT rolpassword AS v FROM pg_authid WHERE rolname = '${role}'`,
    );
    return row?.v ?? '';
  };
  const oldPasswordFails = (): Promise<unknown> =>
    assert.rejects(
      bank.postern
        .call('POST', '/v1/resources', {
          ...{ name: `old-${Date.now()}`, protocol: 'postgres', environment: 'test', classification: 'x' },
          ...{ host: bank.server.host, port: bank.server.port, database: bank.ledger.database },
          tls: { mode: 'verify-full', ca: bank.server.caPem },
          upstream: { user: bank.ledger.user, password: bank.ledger.password },
        })
        .then(async (made) => {
          const { name } = made as { name: string };
          const tried = await bank.postern.call<{ ok: boolean }>('POST', `/v1/resources/${name}/test`, {});
          if (!tried.ok) throw new Error('it does not log in');
        }),
      /does not log in/,
    );

  it('gives the server a new one while sessions go on, and neither log has it', async () => {
    const client = await bank.connect(who);
    const before = await stored(bank.ledger.user);
    const busy = (async () => {
      for (let i = 0; i < 20; i++) await select();
    })();
    await sleep(20);
    await rotate();
    await busy;
    // What reads names for this session logs in anew.
    await bank.server.query('CREATE TABLE ledger.made_later (n int)', bank.ledger.database);
    await bank.server.query(`GRANT SELECT ON ledger.made_later TO ${bank.ledger.user}`, bank.ledger.database);
    await client.query('SELECT count(*) FROM ledger.accounts');
    await client.end();
    assert.deepEqual(client.lost, []);
    assert.notEqual(await stored(bank.ledger.user), before);
    await select();
    await oldPasswordFails();
    const log = readFileSync(bank.server.logFile, 'utf8');
    assert.match(log, /alter role .* password 'SCRAM-SHA-256\$4096:/);
    assert.doesNotMatch(log, /postern_[\w-]{43}/, 'the log of the server has the password');
    const { items } = await bank.postern.call<{ items: { id: string; type: string }[] }>(
      'GET',
      '/v1/activity?type=change&order=desc&limit=5',
    );
    const record = items.find(({ type }) => type === 'resource.secret_rotated');
    assert.ok(record);
    assert.ok(!JSON.stringify(await bank.statement(record.id)).includes('postern_'));
  });

  it('killed at any moment, what the server has is known, and it is finished after the restart', async () => {
    for (const pause of [3, 12, 25, 40]) {
      const { upstream } = await show();
      const rotating = rotate().catch(() => null);
      await sleep(pause);
      await bank.postern.running.stop('SIGKILL');
      await rotating;
      await restart();
      await select();
      const tried = await bank.postern.call<{ ok: boolean }>('POST', '/v1/resources/ledger-db/test', {});
      assert.ok(tried.ok, `after ${pause} ms`);
      // Either nothing was begun, or it is finished by itself.
      for (let i = 0; i < 25; i++) {
        if ((await show()).upstream.since !== upstream.since) break;
        await sleep(20);
      }
      assert.deepEqual((await show()).faults, []);
    }
    await rotate();
    await select();
  });

  it('a server that does not take the change leaves everything as it was, and says so', async () => {
    await bank.server.query(`ALTER ROLE ${bank.ledger.user} SET default_transaction_read_only = on`);
    const before = await stored(bank.ledger.user);
    await assert.rejects(rotate(), (error: ApiFailure) => {
      assert.ok(error instanceof ApiFailure && error.code === 'POSTERN_UPSTREAM_UNAVAILABLE');
      return /read-only/.test(error.message) && !/postern_|SCRAM-SHA-256\$/.test(error.message);
    });
    assert.equal(await stored(bank.ledger.user), before);
    await select();
    assert.match((await show()).faults.join(), /read-only/);
    const { warnings } = await bank.postern.call<{ warnings: string[] }>('GET', '/healthz');
    assert.ok(warnings.some((warning) => /1 upstream passwords/.test(warning)));
    await bank.server.query(`ALTER ROLE ${bank.ledger.user} RESET default_transaction_read_only`);
    await rotate();
    assert.deepEqual((await show()).faults, []);
    await select();
  });

  it('where the user cannot log in any more the administering user helps, and its own is replaced likewise', async () => {
    await bank.postern.call('POST', '/v1/resources/ledger-db/admin', {
      admin: { user: ADMIN, password: 'admin-Zq81' },
      reason: 'a test',
    });
    await bank.server.query(`ALTER ROLE ${bank.ledger.user} PASSWORD 'somebody-changed-it'`);
    await rotate();
    const admins = await stored(ADMIN);
    await rotate({ login: 'admin' });
    assert.notEqual(await stored(ADMIN), admins);
    const tried = await bank.postern.call<{ ok: boolean }>('POST', '/v1/resources/ledger-db/test', {});
    assert.ok(tried.ok);
    await rotate();
    // Somebody changes it by hand and says so.
    await bank.server.query(`ALTER ROLE ${bank.ledger.user} PASSWORD 'changed-by-hand'`);
    await bank.postern.call('POST', '/v1/resources/ledger-db/password', {
      password: 'changed-by-hand',
      reason: 'a test',
    });
    assert.ok((await bank.postern.call<{ ok: boolean }>('POST', '/v1/resources/ledger-db/test', {})).ok);
  });

  it('is due after the time that was set for it, and never again when that is taken back', async () => {
    const set = await rotate({ everySeconds: 86_400 });
    assert.equal(set.rotateSeconds, 86_400);
    const none = await rotate({ everySeconds: null });
    assert.equal(none.rotateSeconds, null);
    for (const everySeconds of [0, 3599, 34_560_001, 1.5])
      await assert.rejects(rotate({ everySeconds }), { code: 'POSTERN_INVALID' });
  });
});

describe('a password that is kept elsewhere', () => {
  let bank: Bank;
  let dataDir: string;

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'postern-elsewhere-'));
    const config = join(dataDir, 'config.json');
    const secretSources = { files: { kind: 'file', directory: dataDir, paths: ['db-password'] } };
    writeFileSync(config, JSON.stringify({ secretSources }));
    bank = await Bank.start({ dataDir, args: ['--config', config] });
  });
  after(async () => {
    await bank.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('is read anew when the server refuses the one that was known', async () => {
    const file = join(dataDir, 'db-password');
    writeFileSync(file, `${bank.ledger.password}\n`, { mode: 0o600 });
    const source = 'file://files/db-password';
    await bank.resource('elsewhere-db', { upstream: { user: bank.ledger.user, source } });
    await bank.principal('elsewhere-job');
    const grant = await bank.grant('elsewhere-job', 'select on ledger.*', { resource: 'elsewhere-db' });
    const who = await bank.credential('elsewhere-job', grant);
    const open = () => bank.connect(who, { database: 'elsewhere-db' });
    await (await open()).end();
    await bank.server.query(`ALTER ROLE ${bank.ledger.user} PASSWORD 'another-Zq81'`);
    writeFileSync(file, 'another-Zq81', { mode: 0o600 });
    await sleep(5100);
    const refused = await databaseError(open());
    assert.match(refused.message, /authenticate failed/);
    assert.ok(!refused.message.includes('Zq81'));
    for (let i = 0; i < 50; i++) {
      const tried = await bank.postern.call<{ ok: boolean }>('POST', '/v1/resources/elsewhere-db/test', {});
      if (tried.ok) break;
      await sleep(20);
    }
    await (await open()).end();
    await assert.rejects(
      bank.resource('other-db', { upstream: { user: 'u', source: 'file://files/master.key' } }),
      { code: 'POSTERN_INVALID' },
    );
  });
});
