/** Enforced by the database too: with an administering credential, each session is a role of its own there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { until, workersOf } from './support/processes.ts';

const TABLES = `
  create schema work; create schema other;
  create table work.t (id serial primary key, name text, secret text);
  create table work.plain (n int); create table other.t (n int);
  create function work.risky() returns int language sql as 'select 1';
  revoke execute on function work.risky() from public;
  insert into work.t (name, secret) values ('a', 's');
  grant usage on schema work, other to ledger_app; grant all on all tables in schema work, other to ledger_app`;

const PASSWORD = "adm'in \\ pass";
const ADMIN = `
  create role role_maker login createrole password 'adm''in \\ pass';
  grant all on schema work, other to role_maker with grant option;
  grant all on all tables in schema work, other to role_maker with grant option;
  grant all on all sequences in schema work to role_maker with grant option;
  grant all on all functions in schema work to role_maker with grant option;
  grant all on database bank to role_maker with grant option;
  grant ledger_app to role_maker`;

interface Role {
  readonly name: string;
  readonly ends: Date | null;
  readonly most: number;
}

describe('a resource with an administering credential', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '2'] });
    await bank.server.query(TABLES, 'bank');
    await bank.server.query(ADMIN, 'bank');
    await bank.postern.call('POST', '/v1/resources/ledger-db/admin', {
      admin: { user: 'role_maker', password: PASSWORD },
      reason: 'least privilege in the database',
    });
  });
  after(() => bank?.stop());

  const rolesOf = (): Promise<Role[]> =>
    bank.server.query<Role & Record<string, unknown>>(
      `select rolname as name, rolvaliduntil as ends, rolconnlimit as most from pg_roles
        where rolname like 'postern\\_%' and rolname not like 'postern\\_g\\_%' order by 1`,
    );
  const gone = async (name: string): Promise<void> =>
    until(async () => !(await rolesOf()).some((role) => role.name === name), `${name} is dropped`, 5000);
  const may = async (role: string, sql: string): Promise<boolean> => {
    const [row] = await bank.server.query<{ may: boolean }>(
      `select ${sql.replaceAll('$r', `'${role}'`)} as may`,
      'bank',
    );
    return row?.may ?? false;
  };
  const me = async (who: Credential) => {
    const client = await bank.connect(who, { application_name: 'my job' });
    const { rows } = await client.query<{ me: string; app: string }>(
      "select session_user as me, current_setting('application_name') as app",
    );
    return { client, role: rows[0]?.me ?? '', app: rows[0]?.app ?? '' };
  };

  it('passes the test of the resource, and one that cannot make roles does not', async () => {
    const tested = () =>
      bank.postern.call<{ ok: boolean; steps: { step: string; detail: string }[] }>(
        'POST',
        '/v1/resources/ledger-db/test',
        {},
      );
    assert.equal((await tested()).ok, true);
    const admin = { user: bank.ledger.user, password: bank.ledger.password };
    await bank.postern.call('POST', '/v1/resources/ledger-db/admin', { admin, reason: 'a mistake' });
    const { ok, steps } = await tested();
    assert.equal(ok, false);
    assert.match(steps.at(-1)?.detail ?? '', /permission denied to create role/);
    const refused = await databaseError(bank.connect(await bank.identity('unlucky', 'select on work.t')));
    assert.match(refused.message, /no role could be made for the session: permission denied to create role/);
    await bank.postern.call('POST', '/v1/resources/ledger-db/admin', {
      admin: { user: 'role_maker', password: PASSWORD },
      reason: 'repaired',
    });
  });

  it('gives each session a role with exactly what its grant covers, until the grant ends, and drops it', async () => {
    const scope = 'select (id, name), insert on work.t; select on work.plain; execute on work.risky';
    const who = await bank.identity('worker-a', scope);
    const { client, role, app } = await me(who);
    assert.match(role, /^postern_worker-a_[0-9a-f]{12}$/);
    assert.equal(app, `postern/worker-a/${role.slice(-12)}/my job`);
    const [made] = (await rolesOf()).filter(({ name }) => name === role);
    assert.equal(made?.most, 1);
    const { end } = await bank.postern.call<{ end: string }>('GET', `/v1/grants/${who.grant}`);
    assert.equal(made?.ends?.getTime(), Date.parse(end));
    const expected: readonly (readonly [string, boolean])[] = [
      ["has_column_privilege($r, 'work.t', 'name', 'select')", true],
      ["has_column_privilege($r, 'work.t', 'secret', 'select')", false],
      ["has_table_privilege($r, 'work.t', 'insert')", true],
      ["has_table_privilege($r, 'work.t', 'update')", false],
      ["has_table_privilege($r, 'work.t', 'delete')", false],
      ["has_table_privilege($r, 'work.plain', 'select')", true],
      ["has_table_privilege($r, 'work.plain', 'insert')", false],
      ["has_schema_privilege($r, 'work', 'usage')", true],
      ["has_schema_privilege($r, 'work', 'create')", false],
      ["has_schema_privilege($r, 'other', 'usage')", false],
      ["has_function_privilege($r, 'work.risky()', 'execute')", true],
      ["has_sequence_privilege($r, 'work.t_id_seq', 'usage')", true],
      ["has_sequence_privilege($r, 'work.t_id_seq', 'update')", false],
      ["pg_has_role($r, 'ledger_app', 'member')", false],
    ];
    for (const [sql, allowed] of expected) assert.equal(await may(role, sql), allowed, sql);
    await client.query("insert into work.t (name) values ('b')");
    assert.equal((await client.query('select name from work.t')).rowCount, 2);
    await client.end();
    await gone(role);
  });

  it('follows what the database holds and what is granted during a session', async () => {
    const who = await bank.identity('worker-b', 'select on work.plain');
    const open = await bank.credential('worker-b');
    const { client, role } = await me(open);
    await databaseError(client.query('select * from other.t'));
    await bank.grant('worker-b', 'select on other.*');
    await until(
      () =>
        client.query('select * from other.t').then(
          () => true,
          () => false,
        ),
      'the new grant counts',
      5000,
    );
    assert.equal(await may(role, "has_table_privilege($r, 'other.t', 'select')"), true);
    assert.equal(await may(role, "has_table_privilege($r, 'other.t', 'insert')"), false);
    await client.end();
    await gone(role);
    assert.ok(who.grant);
  });

  it('takes from the role of a session what a review takes from its grant', async () => {
    const who = await bank.identity('worker-n', 'select on work.plain, other.t');
    const { client, role } = await me(who);
    assert.equal(await may(role, "has_table_privilege($r, 'other.t', 'select')"), true);
    const rita = { name: 'Rita', email: 'rita@example.com', roles: ['reviewer'] };
    await bank.postern.call('POST', '/v1/persons', rita);
    const { token } = await bank.postern.call<{ token: string }>(
      'POST',
      '/v1/persons/rita@example.com/tokens',
      {},
    );
    const review = { name: 'narrowing', dueSeconds: 60, graceSeconds: 0 };
    await bank.postern.call('POST', '/v1/reviews', review);
    const { items } = await bank.postern.call<{ items: { id: string; grant: string | null }[] }>(
      'GET',
      '/v1/review-items?review=narrowing&limit=1000',
    );
    const id = items.find(({ grant }) => grant === who.grant)?.id ?? '';
    // Whoever makes grants does not review them; who reviews decides on what they were shown.
    const { view } = await bank.postern.call<{ view: { sha256: string } }>(
      ...(['GET', `/v1/review-items/${id}`, undefined, token] as const),
    );
    const narrow = { kind: 'narrow', scope: 'select on work.plain', reason: 'enough', view: view.sha256 };
    await bank.postern.call('POST', `/v1/review-items/${id}/decide`, narrow, token);
    await databaseError(client.query('select * from other.t'));
    await client.query('select * from work.plain');
    await until(
      async () => !(await may(role, "has_table_privilege($r, 'other.t', 'select')")),
      'the database refuses it too',
      5000,
    );
    await bank.postern.call('POST', '/v1/reviews/narrowing/close', { reason: 'seen' });
    const later = await me(who);
    assert.equal(await may(later.role, "has_table_privilege($r, 'other.t', 'select')"), false);
    await client.end();
    await later.client.end();
  });

  it('leaves to the upstream user what a session made, and drops the role all the same', async () => {
    const who = await bank.identity(
      'worker-c',
      'create, insert, select on work.made_*; select on work.plain',
    );
    const { client, role } = await me(who);
    await client.query('create table work.made_here (n int)');
    await client.query('insert into work.made_here values (1)');
    await client.end();
    await gone(role);
    const [row] = await bank.server.query(
      "select tableowner from pg_tables where tablename = 'made_here'",
      'bank',
    );
    assert.deepEqual(row, { tableowner: 'ledger_app' });
  });

  it('is the upstream user for a scope that only an owner can have, and the record says so', async () => {
    const who = await bank.identity('worker-d', 'alter, select on work.plain');
    const { client, role } = await me(who);
    assert.equal(role, bank.ledger.user);
    await client.end();
    const sessions = await bank.postern.call<{ items: { type: string; id: string }[] }>(
      'GET',
      '/v1/activity?principal=worker-d&type=session&limit=10',
    );
    const opened = sessions.items.find(({ type }) => type === 'session.opened');
    const record = await bank.postern.call<{ record: { upstreamUser: string; upstreamIdentity: string } }>(
      'GET',
      `/v1/activity/${opened?.id}`,
    );
    assert.deepEqual(
      [record.record.upstreamUser, record.record.upstreamIdentity],
      [bank.ledger.user, 'fixed'],
    );
  });

  it('opens many sessions of one grant at once', async () => {
    const who = await bank.identity('worker-e', 'select on work.*');
    const clients = await Promise.all(Array.from({ length: 20 }, () => bank.connect(who)));
    const names = await Promise.all(
      clients.map(async (client) => (await client.query('select session_user as me')).rows[0]?.me as string),
    );
    assert.equal(new Set(names).size, 20);
    await Promise.all(clients.map((client) => client.end()));
    for (const name of names) await gone(name);
  });

  it('cancels what such a session runs', async () => {
    const who = await bank.identity('worker-f', 'select on work.plain');
    const { client } = await me(who);
    const slow = databaseError(client.query('select pg_sleep(30)'));
    await sleep(200);
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const packet = Buffer.alloc(16);
    for (const [i, word] of [16, 80877102, processID, secretKey].entries()) packet.writeInt32BE(word, i * 4);
    (await bank.raw()).end(packet);
    assert.equal((await slow).code, '57014');
    await client.end();
  });

  it('sweeps what a killed worker left behind, and the roles of grants that are over', async () => {
    const who = await bank.identity('worker-g', 'select on work.plain');
    const { client, role } = await me(who);
    client.on('error', () => undefined);
    for (const pid of workersOf(bank.postern.pid)) process.kill(pid, 'SIGKILL');
    await until(
      async () => !(await rolesOf()).some(({ name }) => name === role),
      'the orphan is swept',
      15_000,
    );
    const groupOf = async (): Promise<number> => {
      const name = `postern\\_g\\_${who.grant.replaceAll('-', '')}%`;
      return (await bank.server.query(`select 1 from pg_roles where rolname like '${name}'`)).length;
    };
    assert.equal(await groupOf(), 1);
    await bank.postern.call('POST', `/v1/grants/${who.grant}/revoke`, { reason: 'done' });
    for (const pid of workersOf(bank.postern.pid)) process.kill(pid, 'SIGKILL');
    await until(async () => (await groupOf()) === 0, 'the role of the grant is dropped', 15_000);
  });

  it('leaves roles alone that look like its own but are not', async () => {
    await bank.server.query(
      'create role postern_mine_0123456789ab; comment on role postern_mine_0123456789ab is $$mine$$',
    );
    for (const pid of workersOf(bank.postern.pid)) process.kill(pid, 'SIGKILL');
    await sleep(3000);
    assert.ok((await rolesOf()).some(({ name }) => name === 'postern_mine_0123456789ab'));
  });

  it('lets the password nowhere: not in the log of the database, not in the state', async () => {
    const log = readFileSync(bank.server.logFile, 'utf8');
    assert.ok(!log.includes(PASSWORD));
    // grep ends with 1 when it found nothing.
    const { status, stdout } = spawnSync('grep', ['-rlaF', PASSWORD, bank.postern.dataDir], {
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout], [1, '']);
  });
});
