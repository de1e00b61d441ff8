/** Attacks on the roles that sessions have in the database: on their making, their end, and on who else may touch them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bank, type Credential, databaseError } from './support/bank.ts';
import { startPostern } from './support/postern.ts';
import { until, workersOf } from './support/processes.ts';
import { say, WireClient } from './support/wire-client.ts';

const TABLES = `
  create schema work;
  create table work.t (id int, name text, secret text); insert into work.t values (1, 'a', 's');
  create table work.log (at text);
  create function work.stubborn() returns void language plpgsql security definer as $$
    begin
      for i in 1..1000 loop
        begin perform pg_sleep(0.02); exception when query_canceled then null; end;
        insert into work.log values ('still here');
        if (select count(*) from work.log) > 250 then return; end if;
      end loop;
    end $$;
  grant usage, create on schema work to ledger_app; grant all on all tables in schema work to ledger_app`;

const ADMIN = `
  create role role_maker login createrole password 'first';
  grant all on schema work to role_maker with grant option;
  grant all on all tables in schema work to role_maker with grant option;
  grant all on all functions in schema work to role_maker with grant option;
  grant all on database bank to role_maker with grant option;
  grant ledger_app to role_maker`;

describe('roles of sessions under attack', () => {
  let bank: Bank;
  before(async () => {
    bank = await Bank.start(
      { args: ['--workers', '1'] },
      { settings: { max_prepared_transactions: '5', log_statement: 'all' }, databases: ['elsewhere'] },
    );
    await bank.server.query(TABLES, 'bank');
    await bank.server.query(ADMIN, 'bank');
    await administer('ledger-db', 'first');
  });
  after(() => bank?.stop());

  const administer = (resource: string, password: string): Promise<unknown> =>
    bank.postern.call('POST', `/v1/resources/${resource}/admin`, {
      admin: { user: 'role_maker', password },
      reason: 'least privilege in the database',
    });
  const rolesLike = async (pattern: string): Promise<string[]> =>
    (
      await bank.server.query<{ name: string }>(
        `select rolname as name from pg_roles where rolname like '${pattern}' order by 1`,
      )
    ).map(({ name }) => name);
  const grantRoles = (who: Credential): Promise<string[]> =>
    rolesLike(`postern\\_g\\_${who.grant.replaceAll('-', '')}%`);
  const me = async (who: Credential) => {
    const client = await bank.connect(who);
    const { rows } = await client.query<{ me: string }>('select session_user as me');
    return { client, role: rows[0]?.me ?? '' };
  };
  const gone = (role: string): Promise<void> =>
    until(async () => (await rolesLike(role.replaceAll('_', '\\_'))).length === 0, `${role} is gone`, 15_000);
  /** The workers begin anew, and with that their sweeps. */
  const sweep = async (of: Bank = bank): Promise<void> => {
    const before = workersOf(of.postern.pid);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await until(
      async () => {
        const now = workersOf(of.postern.pid);
        if (now.length === 0 || now.some((pid) => before.includes(pid))) return false;
        const socket = await of.raw().catch(() => null);
        socket?.destroy();
        return socket !== null;
      },
      'a new worker listens',
      15_000,
    );
  };

  it('a session changes nothing of who it is, may do or leaves behind', async () => {
    const who = await bank.identity('escape', 'all on work.*; all on public.*; all on "*".*');
    const narrow = await bank.identity('escape-role', 'create, select, insert on work.*, pg_temp.*');
    for (const each of [who, narrow]) {
      const { client, role } = await me(each);
      for (const sql of [
        `set role ${'ledger_app'}`,
        'set session authorization ledger_app',
        'reset session authorization',
        'reset role',
        "set local role 'role_maker'",
        "select set_config('role', 'role_maker', false)",
        "select set_config('session_authorization', 'role_maker', false)",
        `alter role "${role}" password 'mine'`,
        "alter user current_user password 'mine'",
        `alter role "${role}" valid until 'infinity'`,
        `alter role "${role}" set search_path = evil`,
        'alter role current_user superuser',
        `grant ledger_app to "${role}"`,
        `grant "${role}" to ledger_app with admin option`,
        'grant select on work.t to public with grant option',
        'alter default privileges grant all on tables to public',
        'alter default privileges in schema work grant select on tables to ledger_app',
        'create event trigger e on ddl_command_start execute function work.stubborn()',
        'create trigger tr before insert on work.t execute function work.stubborn()',
        "create function work.f() returns int language sql security definer as 'select 1'",
        'create policy p on work.t using (true)',
        `reassign owned by "${role}" to ledger_app`,
        `drop owned by "${role}"`,
        `drop role "${role}"`,
        `comment on role "${role}" is 'postern: {}'`,
        `alter table work.t owner to "${role}"`,
        "security label on role current_user is 'x'",
        "prepare transaction 'left behind'",
        "do $$ begin execute 'set role ledger_app'; end $$",
      ]) {
        await databaseError(client.query(sql));
        const [row] = (await client.query('select session_user || current_user as who')).rows;
        assert.equal(row.who, `${role}${role}`, sql);
      }
      await client.query('begin');
      await databaseError(client.query("prepare transaction 'left behind'"));
      await client.query('rollback');
      await client.end();
    }
    assert.deepEqual(await bank.server.query('select gid from pg_prepared_xacts'), []);
  });

  it('whatever a session made, its role is dropped, and nothing of it helps the next one', async () => {
    const scope = 'create, select, insert on work.made_*; create, select, insert on pg_temp.*';
    const who = await bank.identity('litter', scope);
    const { client, role } = await me(who);
    await client.query('create table work.made_t (id serial primary key, n int)');
    await client.query('create view work.made_v as select * from work.made_t');
    await client.query('create sequence work.made_s');
    await client.query("create type work.made_e as enum ('a')");
    await client.query('create temp table scratch (n int)');
    await client.query('select pg_advisory_lock(4711)');
    await client.query('begin');
    await client.query('create table work.made_open (n int)');
    client.end().catch(() => undefined);
    await gone(role);
    const owners = await bank.server.query(
      "select distinct tableowner as o from pg_tables where tablename like 'made\\_%'",
      'bank',
    );
    assert.deepEqual(owners, [{ o: 'ledger_app' }]);
    assert.deepEqual(await bank.server.query("select 1 from pg_locks where locktype = 'advisory'"), []);
    const next = await bank.connect(await bank.identity('litter-next', 'select on work.t'));
    assert.equal((await databaseError(next.query('select * from work.made_t'))).code, '42501');
    await next.end();
  });

  it('a function that is deaf to cancelling does not outlive the session', async () => {
    const who = await bank.identity('deaf', 'execute on work.stubborn');
    const { client, role } = await me(who);
    client.on('error', () => undefined);
    const running = client.query('select work.stubborn()').catch(() => undefined);
    await sleep(200);
    await bank.postern.call('POST', `/v1/grants/${who.grant}/revoke`, { reason: 'enough' });
    await running;
    await gone(role);
    await until(
      async () =>
        (
          await bank.server.query(
            "select 1 from pg_stat_activity where query like '%stubborn%' and pid <> pg_backend_pid()",
          )
        ).length === 0,
      'nothing of it runs',
      3000,
    );
    assert.deepEqual(
      await bank.server.query('select * from work.log', 'bank'),
      [],
      'and nothing was committed',
    );
  });

  it('the sweep of one resource leaves the roles of another on the same server alone', async () => {
    await bank.resource('second-db');
    await administer('second-db', 'first');
    const first = await bank.identity('on-first', 'select on work.t');
    await bank.principal('on-second');
    const grant = await bank.grant('on-second', 'select on work.t', { resource: 'second-db' });
    const second = await bank.credential('on-second', grant);
    const open = [await bank.connect(first), await bank.connect(second, { database: 'second-db' })];
    for (const client of open) await client.end();
    assert.equal((await grantRoles(first)).length, 1);
    assert.equal((await grantRoles(second)).length, 1);
    await sweep();
    await sleep(3000);
    assert.equal((await grantRoles(first)).length, 1);
    assert.equal((await grantRoles(second)).length, 1);
  });

  it('two Posterns on one server never touch the roles of each other', async () => {
    const other = new Bank(bank.server, bank.ledger, await startPostern({ args: ['--workers', '1'] }));
    try {
      await other.resource('ledger-db');
      await other.postern.call('POST', '/v1/resources/ledger-db/admin', {
        admin: { user: 'role_maker', password: 'first' },
        reason: 'the same one',
      });
      const here = await bank.identity('twin', 'select on work.t');
      const there = await other.identity('twin', 'select on work.t');
      const both = [await bank.connect(here), await other.connect(there)];
      const names = await rolesLike('postern\\_twin\\_%');
      assert.equal(names.length, 2);
      for (const each of [bank, other]) {
        await sweep(each);
        await until(
          async () => (await rolesLike('postern\\_twin\\_%')).length === (each === bank ? 1 : 0),
          'its own are swept',
          15_000,
        );
      }
      for (const client of both) await client.end().catch(() => undefined);
      assert.equal((await grantRoles(here)).length + (await grantRoles(there)).length, 2);
    } finally {
      await other.postern.stop();
    }
  });

  it('a role that does not let itself be dropped keeps no other one from being swept', async () => {
    const who = await bank.identity('stuck', 'select on work.t');
    const open = await Promise.all([me(who), me(who), me(who)]);
    const [held] = open.map(({ role }) => role).sort();
    await bank.server.query(
      `create table if not exists held (n int); grant select on held to "${held}"`,
      'elsewhere',
    );
    for (const { client } of open) client.on('error', () => undefined);
    await sweep();
    await until(
      async () => (await rolesLike('postern\\_stuck\\_%')).length === 1,
      'the others are gone',
      15_000,
    );
    assert.deepEqual(await rolesLike('postern\\_stuck\\_%'), [held]);
    await bank.server.query('drop table held', 'elsewhere');
  });

  it('takes no role that it has not made, whatever its name', async () => {
    const who = await bank.identity('squatted', 'select on work.t');
    // What its name will be is seen at the first session, which is then undone.
    await (await bank.connect(who)).end();
    const [name] = await grantRoles(who);
    await sweep();
    await bank.server.query(
      `set role role_maker; drop owned by "${name}"; drop role "${name}"; reset role; create role "${name}" login; grant ledger_app to "${name}"`,
      'bank',
    );
    const refused = await databaseError(bank.connect(who));
    assert.match(refused.message, /no role could be made for the session/);
    const [kept] = await bank.server.query(
      `select rolcanlogin as login from pg_roles where rolname = '${name}'`,
    );
    assert.deepEqual(kept, { login: true });
    await bank.server.query(`drop role "${name}"`);
    await (await bank.connect(who)).end();
  });

  it('works on with an administering credential that was replaced, and after its connection was lost', async () => {
    const who = await bank.identity('rotated', 'select on work.t');
    await (await bank.connect(who)).end();
    const lose = (): Promise<unknown> =>
      bank.server.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'role_maker'",
      );
    await lose();
    await (await bank.connect(who)).end();
    await bank.server.query("alter role role_maker password 'second'");
    for (const resource of ['ledger-db', 'second-db']) await administer(resource, 'second');
    await lose();
    const { client, role } = await me(who);
    await client.end();
    await gone(role);
  });

  it('is not held up by a role whose belongings somebody uses', async () => {
    const maker = await bank.identity('maker', 'create, insert, select on work.kept');
    const { client, role } = await me(maker);
    await client.query('create table work.kept (n int)');
    const reader = await bank.connect(await bank.identity('reader', 'select on work.kept'));
    await reader.query('begin');
    await reader.query('select * from work.kept');
    await client.end();
    for (let i = 0; i < 3; i++) await (await bank.connect(await bank.credential('escape-role'))).end();
    await reader.query('commit');
    await reader.end();
    await sweep();
    await gone(role);
  });

  it('has names within bounds: of the longest principal, and in a database whose name needs quotes', async () => {
    const odd = 'we"ird \\ d\'b ü';
    await bank.server.query(`create database "${odd.replaceAll('"', '""')}"`);
    await bank.server.query(
      'create schema work; create table work.t (n int); grant all on schema work to role_maker with grant option; grant all on work.t to role_maker with grant option',
      odd,
    );
    await bank.server.query(
      `grant all on database "${odd.replaceAll('"', '""')}" to role_maker with grant option`,
    );
    const name = `${'p'.repeat(40)}${'.-_9'.repeat(5)}x`.slice(0, 60);
    const twins = [name, `${name}y`];
    for (const each of twins) {
      const who = await bank.identity(each, 'select on work.t');
      const client = await bank.connect(who, { database: `ledger-db/${odd}` });
      const { rows } = await client.query(
        'select session_user as me from work.t right join (select 1) x on true',
      );
      assert.ok(Buffer.byteLength(rows[0].me) <= 63);
      await client.end();
      await gone(rows[0].me);
    }
  });

  it('resolves names as the server does for the role, not as it would for the upstream user', async () => {
    await bank.server.query(
      `create schema aa; create schema bb; create schema cc;
       create table aa.t (v text); insert into aa.t values ('aa.t'); create table aa.only (v text);
       create table bb.t (v text); insert into bb.t values ('bb.t');
       create table cc.t (v text); insert into cc.t values ('cc.t');
       grant usage on schema cc to ledger_app; grant usage on schema bb to public; grant select on bb.t, cc.t to public;
       grant all on schema aa, bb to role_maker with grant option;
       grant all on all tables in schema aa, bb to role_maker with grant option`,
      'bank',
    );
    await bank.principal('pathfinder');
    const grant = await bank.grant(
      'pathfinder',
      'select on aa.*; create on aa.x_*, bb.*; select on bb.other',
    );
    const client = await bank.connect(await bank.credential('pathfinder', grant));
    await client.query('set search_path = cc, aa, bb');
    // The upstream user may not use aa, and may use cc; the role has it the other way round.
    assert.equal((await client.query('select v from t')).rows[0].v, 'aa.t');
    assert.match((await databaseError(client.query('create table y (n int)'))).message, /create on aa\.y/);
    await client.query('create table x_1 (n int)');
    const [row] = await bank.server.query(
      "select schemaname from pg_tables where tablename in ('y', 'x_1')",
      'bank',
    );
    assert.deepEqual(row, { schemaname: 'aa' });
    await client.query('set search_path = cc, bb, aa');
    assert.match((await databaseError(client.query('select v from t'))).message, /select on bb\.t/);
    await client.end();
  });

  it('is never left out because names are changed while a session begins', async () => {
    const door = { ...bank.postern.postgres, ca: bank.postern.caPem };
    const churner = await WireClient.login(
      door,
      await bank.identity('churner', 'create, drop on pg_temp.*'),
      'ledger-db',
    );
    const who = await bank.identity('beginner', 'select on work.t');
    let churning = true;
    const churn = (async () => {
      for (let i = 0; churning; i++) {
        const batch = Array.from({ length: 40 }, (_, n) =>
          say.query(`create temp table c_${i}_${n} (n int)`),
        );
        await churner.ask(batch, batch.length);
      }
    })();
    const names: string[] = [];
    for (let i = 0; i < 8; i++) {
      const client = await bank.connect(who);
      client.end().catch(() => undefined);
      const { items } = await bank.postern.call<{ items: { id: string; type: string }[] }>(
        'GET',
        '/v1/activity?principal=beginner&type=session&limit=5',
      );
      const opened = items.find(({ type }) => type === 'session.opened');
      if (opened === undefined) continue;
      const { record } = await bank.postern.call<{ record: { upstreamUser: string } }>(
        'GET',
        `/v1/activity/${opened.id}`,
      );
      names.push(record.upstreamUser);
    }
    churning = false;
    await churn;
    await churner.end();
    assert.ok(names.length > 3);
    assert.deepEqual(
      names.filter((name) => !name.startsWith('postern_beginner_')),
      [],
    );
  });

  it('gives the log of the server a verifier at most, and never a password', () => {
    const log = readFileSync(bank.server.logFile, 'utf8');
    assert.match(log, /create role "postern_litter_[0-9a-f]{12}" .* password 'SCRAM-SHA-256\$/);
    assert.doesNotMatch(log, /create role "postern_[^"]*" .* password '(?!SCRAM-SHA-256\$)/);
  });
});
