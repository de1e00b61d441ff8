/** What reaches a resource without Postern is found, by what the resource says of itself; and nothing is found where nothing is. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Bank, type Credential } from './support/bank.ts';
import { run, until, workersOf } from './support/processes.ts';

interface Run {
  readonly status: string;
  readonly why: string | null;
  readonly user: string | null;
  readonly found: { readonly account: number; readonly connection: number; readonly statements: number };
  readonly bounds: readonly string[];
  readonly balances: readonly {
    readonly users: string;
    readonly ran: number;
    readonly recorded: number;
    readonly own: number;
    readonly slack: number;
  }[];
}
interface Unmanaged {
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly status: string;
  readonly reopened: string | null;
}

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const STATEMENTS = { shared_preload_libraries: 'pg_stat_statements' };

describe('a resource that is compared with what is known of it', () => {
  let bank: Bank;
  let who: Credential;
  let client: pg.Client;

  const reconcile = (): Promise<Run> => bank.postern.call('POST', '/v1/resources/ledger-db/reconcile', {});
  const open = async (kind?: string): Promise<readonly Unmanaged[]> => {
    const { items } = await bank.postern.call<{ items: Unmanaged[] }>('GET', '/v1/unmanaged?status=open');
    return items.filter((each) => kind === undefined || each.kind === kind);
  };
  const dispose = (id: string, body: object): Promise<Unmanaged> =>
    bank.postern.call('POST', `/v1/unmanaged/${id}/dispose`, { reason: 'CHG-1', ...body });
  const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
  /** Around Postern. */
  const direct = async (user: string, password: string): Promise<pg.Client> => {
    const { host, port } = bank.server;
    const session = new pg.Client({
      ...{ host, port, user, password, database: bank.ledger.database, application_name: 'around' },
      ssl: { ca: bank.server.caPem },
    });
    await session.connect();
    return session;
  };
  const balance = ({ balances }: Run) => balances.find(({ users }) => users === 'sessions');

  before(async () => {
    bank = await Bank.start({ args: ['--workers', '2'] }, { settings: STATEMENTS });
    await bank.server.query('create extension pg_stat_statements', bank.ledger.database);
    // So that the counters and the connections of all are seen.
    await bank.server.query(`grant pg_read_all_stats to ${bank.ledger.user}`);
    who = await bank.identity('batch', 'select, insert on ledger.*');
    client = await bank.connect(who);
  });
  after(async () => {
    await client?.end();
    await bank?.stop();
  });

  it('finds the superuser, who is no identity of Postern, and nothing else', async () => {
    const done = await reconcile();
    assert.deepEqual(
      [done.status, done.user, done.found],
      ['done', bank.ledger.user, { account: 1, connection: 0, statements: 0 }],
    );
    const [superuser] = await open();
    assert.equal(superuser?.subject, 'postgres');
    assert.equal(superuser?.details.superuser, true);
    assert.equal(superuser?.details.password, null);
    assert.ok(done.bounds.some((bound) => /may not see whether accounts have passwords/.test(bound)));
    await dispose(superuser?.id ?? '', { kind: 'accepted', until: inAnHour() });
  });

  it('finds nothing where all that ran ran through Postern, in every way', async () => {
    await reconcile();
    for (let i = 0; i < 300; i++)
      await client.query('select count(*) from ledger.entries where id = $1', [i]);
    for (let i = 0; i < 100; i++) await client.query('select 1; select 2; select 3');
    await client.query('begin');
    await client.query('declare c cursor for select * from ledger.accounts');
    for (let i = 0; i < 100; i++) await client.query('fetch 1 from c');
    await client.query('commit');
    for (let i = 0; i < 50; i++) await client.query({ text: 'select $1::int', values: [i], name: 'named' });
    for (let i = 0; i < 50; i++) {
      await client.query('begin');
      await client.query('declare c cursor for select * from ledger.accounts');
      await client.query('fetch 1 from c');
      await client.query('close c');
      await client.query('commit');
    }
    for (let i = 0; i < 20; i++) await client.query('set search_path = ledger');
    for (let i = 0; i < 20; i++) await assert.rejects(client.query('select * from ledger.nowhere'));
    for (let i = 0; i < 20; i++) await client.query('explain analyze select * from ledger.accounts');
    const done = await reconcile();
    assert.deepEqual(done.found, { account: 1, connection: 0, statements: 0 });
    assert.deepEqual(await open(), []);
    const { ran = 0, recorded = 0 } = balance(done) ?? {};
    assert.ok(ran > 900 && ran <= recorded, `${ran} of ${recorded}`);
  });

  it('finds a role made by hand, and again when it can do more than was accepted, and not when it is gone', async () => {
    await bank.server.query("create role maint login password 'by-hand' valid until '2031-01-01 00:00:00Z'");
    await reconcile();
    const [role] = await open('account');
    assert.equal(role?.subject, 'maint');
    assert.equal(role?.details.validUntil, '2031-01-01T00:00:00.000000Z');
    await dispose(role?.id ?? '', { kind: 'adopted', owner: 'admin@example.com' });
    await reconcile();
    assert.deepEqual(await open(), []);
    await bank.server.query('grant pg_write_all_data to maint');
    await reconcile();
    const [more] = await open('account');
    assert.equal(more?.id, role?.id);
    assert.match(more?.reopened ?? '', /it has changed: memberOf/);
    assert.deepEqual(more?.details.memberOf, ['pg_write_all_data']);
    await bank.server.query('drop role maint');
    await reconcile();
    const gone = await bank.postern.call<Unmanaged>('GET', `/v1/unmanaged/${role?.id}`);
    assert.equal(gone.status, 'gone');
    await assert.rejects(dispose(gone.id, { kind: 'remediated' }), /is not there any more/);
    // Who has the name next is another.
    await bank.server.query("create role maint login password 'by-hand'");
    await reconcile();
    const [next] = await open('account');
    assert.notEqual(next?.id, role?.id);
    await bank.server.query('drop role maint');
    await reconcile();
  });

  it('finds a session around the gateway, by whatever name it goes, and what it ran', async () => {
    const around = await direct(bank.ledger.user, bank.ledger.password);
    try {
      await around.query("set application_name = 'postern/batch/0123456789ab/'");
      for (let i = 0; i < 500; i++)
        await around.query('select count(*) from ledger.accounts where id = $1', [i]);
      const done = await reconcile();
      assert.deepEqual(done.found, { account: 1, connection: 1, statements: 1 });
      const [connection] = await open('connection');
      assert.equal(connection?.subject, `${bank.ledger.user} from 127.0.0.1`);
      assert.deepEqual(connection?.details.applications, ['postern/batch/0123456789ab/']);
      const [statements] = await open('statements');
      const { past = 0, slack = 0 } = (statements?.details ?? {}) as { past?: number; slack?: number };
      assert.ok(past >= 480 && past <= 520, `${past} past, slack ${slack}`);
      for (const { id } of await open()) await dispose(id, { kind: 'remediated' });
      // Still there, and so it is open again.
      await reconcile();
      assert.deepEqual(
        (await open()).map(({ kind, reopened }) => [kind, reopened]),
        [['connection', 'it is there again']],
      );
    } finally {
      await around.end();
    }
    for (const { id } of await open()) await dispose(id, { kind: 'remediated' });
    const done = await reconcile();
    assert.deepEqual(done.found, { account: 1, connection: 0, statements: 0 });
    assert.deepEqual(await open(), []);
  });

  it('sees sessions that come and go while it looks as what they are', async () => {
    let over = false;
    const coming = async (): Promise<void> => {
      while (!over) {
        const session = await bank.connect(who);
        await session.query('select 1');
        await session.end();
      }
    };
    const storm = [coming(), coming()];
    for (let i = 0; i < 5; i++) assert.equal((await reconcile()).found.connection, 0);
    over = true;
    await Promise.all(storm);
  });

  it('claims nothing where it cannot know: after a worker ended, or with counters that were reset', async () => {
    await bank.server.query('select pg_stat_statements_reset()', bank.ledger.database);
    for (let i = 0; i < 50; i++) await client.query('select 1');
    assert.equal((await reconcile()).found.statements, 0);
    await client.end();
    for (const pid of workersOf(bank.postern.pid)) process.kill(pid, 'SIGKILL');
    await until(async () => {
      const done = await reconcile();
      return (
        done.status === 'done' && done.bounds.some((bound) => /a gateway worker has ended since/.test(bound))
      );
    }, 'the new workers answer');
    client = await bank.connect(who);
    assert.equal((await reconcile()).found.statements, 0);
  });

  it('tells roles of sessions from those that only bear their mark', async () => {
    await bank.server.query(
      `create role maker login createrole password 'adm'; grant ${bank.ledger.user} to maker;
       grant all on schema ledger to maker with grant option; grant all on all tables in schema ledger to maker with grant option;
       grant all on database ${bank.ledger.database} to maker with grant option; grant pg_read_all_stats to maker`,
      bank.ledger.database,
    );
    await bank.postern.call('POST', '/v1/resources/ledger-db/admin', {
      admin: { user: 'maker', password: 'adm' },
      reason: 'least privilege',
    });
    const session = await bank.connect(who);
    await session.query('select count(*) from ledger.accounts');
    const [{ role, mark } = { role: '', mark: '' }] = await bank.server.query<{ role: string; mark: string }>(
      `select rolname as role, shobj_description(oid, 'pg_authid') as mark from pg_roles
        where rolname like 'postern\\_%' and rolcanlogin`,
    );
    assert.notEqual(role, '');
    assert.deepEqual((await reconcile()).found, { account: 1, connection: 0, statements: 0 });
    // Of a session that is not open, and one that may do more than any session.
    const forged = mark.replace(/"session":"[^"]+"/, '"session":"01a201bd-0000-7000-8000-0123456789ab"');
    await bank.server.query(
      `create role postern_x_0123456789ab login; comment on role postern_x_0123456789ab is '${forged}'`,
    );
    await bank.server.query(`alter role "${role}" createdb`);
    const done = await reconcile();
    assert.equal(done.found.account, 3);
    assert.deepEqual(
      (await open('account')).map(({ details }) => details.mark),
      ['a session that is not open', 'a session that is not open'],
    );
    await bank.server.query('drop role postern_x_0123456789ab');
    for (let i = 0; i < 300; i++) await session.query('select 1');
    await session.end();
    const last = await reconcile();
    assert.equal(last.found.statements, 0, JSON.stringify(last));
    const admin = await direct('maker', 'adm');
    for (let i = 0; i < 300; i++) await admin.query('select 1');
    await admin.end();
    assert.equal((await reconcile()).found.statements, 1);
    assert.match((await open('statements'))[0]?.subject ?? '', /as the administering user/);
  });

  it('is told at the command line, and in evidence', async () => {
    const cli = (...args: string[]) =>
      run(process.execPath, [MAIN, ...args], {
        env: {
          ...process.env,
          POSTERN_API: `https://127.0.0.1:${bank.postern.api.port}`,
          POSTERN_CA: bank.postern.caFile,
          POSTERN_TOKEN: bank.postern.token,
        },
      });
    const told = await cli('resource', 'reconcile', 'ledger-db');
    assert.equal(told.code, 1);
    assert.match(told.stdout, /asked as +maker \(PostgreSQL 18/);
    assert.match(told.stdout, /statements +at least \d+ statements as the administering user/);
    const { items } = JSON.parse((await cli('unmanaged', 'list', '--json')).stdout) as { items: Unmanaged[] };
    for (const { id } of items) {
      const accepted = await cli('unmanaged', 'accept', id, '--until', '90d', '--reason', 'CHG <7>');
      assert.match(accepted.stdout, /status +accepted until/);
    }
    const done = await cli('resource', 'reconcile', '--all');
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match((await cli('resource', 'reconciliations', 'ledger-db')).stdout, /ledger-db +done/);
    const folder = mkdtempSync(join(tmpdir(), 'postern-reconcile-'));
    try {
      const out = join(folder, 'package');
      assert.equal((await cli('evidence', 'export', '--out', out)).code, 0);
      assert.equal((await cli('verify', out)).code, 0);
      const report = readFileSync(join(out, 'report.html'), 'utf8');
      assert.match(
        report,
        /<h2>Reconciliation with the resources<\/h2>[\s\S]*Nothing is open[\s\S]*CHG &lt;7&gt;/,
      );
      assert.match(readFileSync(join(out, 'populations', 'unmanaged.csv'), 'utf8'), /,remediated,/);
      assert.match(readFileSync(join(out, 'populations', 'reconciliations.csv'), 'utf8'), /ledger-db/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('records that a resource could not be asked', async () => {
    await bank.resource('gone-db', { port: 1 });
    const done = await bank.postern.call<Run>('POST', '/v1/resources/gone-db/reconcile', {});
    assert.deepEqual([done.status, /connect failed/.test(done.why ?? '')], ['failed', true]);
  });
});
