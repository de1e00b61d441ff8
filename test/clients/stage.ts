/** One PostgreSQL and one Postern before it, and for each client two equal databases: one to reach directly, one through Postern. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bank, type Credential } from '../support/bank.ts';
import type { PostgresOptions } from '../support/postgres.ts';

const SCHEMA = readFileSync(new URL('./conformance.sql', import.meta.url), 'utf8');

/** Everything in the schemas of the scripts but `hidden`. */
export const FULL_SCOPE =
  'all on conf.*, plain.*, public.*, pg_temp.*; listen, notify on conformance; execute on pg_catalog.pg_notify';

/** What docs/clients.md says that pg_dump needs. */
export const DUMP_SCOPE = `select, copy, lock on conf.*, plain.*;
  select on pg_catalog.pg_subscription, pg_catalog.pg_db_role_setting;
  execute on pg_catalog.pg_get_sequence_data, pg_catalog.pg_export_snapshot`;

/** One way to a database. */
export interface Side {
  readonly name: 'direct' | 'through';
  /** libpq's variables, with TLS verify-full. */
  readonly env: NodeJS.ProcessEnv;
  readonly principal: string;
  /** Its name at the server. */
  readonly database: string;
  /** Output without what must differ: the name of the database, and where the server is. */
  neutral(output: string): string;
}

export class Stage {
  readonly bank: Bank;
  readonly #directory: string;
  readonly #password: string;
  #number = 0;

  constructor(bank: Bank, directory: string, password: string) {
    this.bank = bank;
    this.#directory = directory;
    this.#password = password;
  }

  static async start(postgres: PostgresOptions = {}): Promise<Stage> {
    const bank = await Bank.start({}, postgres);
    const directory = mkdtempSync(join(tmpdir(), 'postern-clients-'));
    const password = randomBytes(24).toString('base64url');
    const stage = new Stage(bank, directory, password);
    try {
      await stage.#prepare();
      return stage;
    } catch (error) {
      await stage.stop();
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    const { server } = this.bank;
    await server.query(`create role conf_app login password '${this.#password}'`);
    await server.query('create database conf_template');
    await server.query(SCHEMA, 'conf_template');
    writeFileSync(join(this.#directory, 'ca.crt'), server.caPem);
    const upstream = { user: 'conf_app', password: this.#password };
    await this.bank.resource('conformance', { database: 'conf_template', upstream });
  }

  async stop(): Promise<void> {
    rmSync(this.#directory, { recursive: true, force: true });
    await this.bank.stop();
  }

  /** A new pair of databases for the client of that name. */
  async sides(
    client: string,
    scope = FULL_SCOPE,
    template = 'conf_template',
  ): Promise<readonly [direct: Side, through: Side]> {
    const principal = `client-${client.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
    const pair = ++this.#number;
    const names = [`conf_d${pair}`, `conf_t${pair}`] as const;
    for (const name of names) {
      await this.bank.server.query(`create database ${name} template ${template} owner conf_app`);
    }
    const who = await this.credential(principal, scope);
    const { host, port } = this.bank.server;
    const common = { ...cleanEnv(), PGHOST: host, PGSSLMODE: 'verify-full' };
    const direct = {
      ...common,
      ...{ PGPORT: String(port), PGUSER: 'conf_app', PGPASSWORD: this.#password, PGDATABASE: names[0] },
      PGSSLROOTCERT: join(this.#directory, 'ca.crt'),
    };
    const { postgres, caFile } = this.bank.postern;
    const through = {
      ...common,
      ...{ PGPORT: String(postgres.port), PGUSER: who.username, PGPASSWORD: who.password },
      ...{ PGDATABASE: `conformance/${names[1]}`, PGSSLROOTCERT: caFile },
    };
    const neutral = (output: string): string =>
      output
        .replaceAll(new RegExp(`(?:conformance/)?(?:${names.join('|')})\\b`, 'g'), 'DATABASE')
        .replaceAll(new RegExp(`\\b(?:${port}|${postgres.port})\\b`, 'g'), 'PORT');
    return [
      { name: 'direct', env: direct, principal, database: names[0], neutral },
      { name: 'through', env: through, principal, database: names[1], neutral },
    ];
  }

  /** The same side as another principal, with another scope. */
  async as(principal: string, scope: string, side: Side): Promise<Side> {
    const who = await this.credential(principal, scope);
    return { ...side, principal, env: { ...side.env, PGUSER: who.username, PGPASSWORD: who.password } };
  }

  /** A new principal with a grant of `scope` and a credential bound to it. */
  async credential(principal: string, scope: string): Promise<Credential> {
    await this.bank.principal(principal);
    const grant = await this.bank.grant(principal, scope, { resource: 'conformance' });
    return this.bank.credential(principal, grant);
  }

  /** Everything that the script ran was recorded, and nothing was refused but what it tried in vain. */
  async refusedOnlySecrets(principal: string): Promise<void> {
    const commands = await this.bank.commands(principal);
    const refused = commands.filter(({ decision }) => decision === 'deny');
    const reasons = refused.map(({ reason }) => reason ?? '');
    const secrets = reasons.filter((reason) => reason.endsWith('select on hidden.secret'));
    assert.ok(secrets.length > 0, 'the secret was not refused');
    assert.deepEqual([...new Set(reasons)].sort(), [secrets[0], 'syntax error at or near "selec"']);
    assert.ok(commands.length > 10 * refused.length, 'more was recorded than was refused');
  }
}

/** Nothing of ours that libpq would take for a setting. */
function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(kept), TZ: 'UTC', LC_ALL: 'C.UTF-8', HOME: tmpdir() };
}

/** Fails with the first line that differs and those around it. */
export function assertSameLines(through: string, direct: string): void {
  const ours = through.split('\n');
  const theirs = direct.split('\n');
  const longer = ours.length > theirs.length ? ours : theirs;
  const at = longer.findIndex((_, index) => ours[index] !== theirs[index]);
  if (at === -1) return;
  const around = (lines: readonly string[]) =>
    lines.slice(Math.max(0, at - 2), at + 4).map((line) => line.slice(0, 500));
  assert.fail(
    `line ${at + 1}\ndirectly:\n  ${around(theirs).join('\n  ')}\nthrough Postern:\n  ${around(ours).join('\n  ')}`,
  );
}
