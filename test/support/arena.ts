/** A Postern for hostile clients, with a short time for the handshake, in front of a server that logs every statement. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bank, type Credential } from './bank.ts';
import { LOG_EVERYTHING } from './server-log.ts';
import { type Door, say, WireClient } from './wire-client.ts';

export const HANDSHAKE_SECONDS = 3;

export class Arena {
  readonly bank: Bank;
  /** May work on `fuzz.t` and everything in `ledger` and `open`; not on `fuzz.secret`, which holds 4711. */
  readonly who: Credential;
  readonly door: Door;
  readonly #directory: string;

  private constructor(bank: Bank, who: Credential, directory: string) {
    this.bank = bank;
    this.who = who;
    this.door = { ...bank.postern.postgres, ca: bank.postern.caPem };
    this.#directory = directory;
  }

  static async start(): Promise<Arena> {
    const directory = mkdtempSync(join(tmpdir(), 'postern-hostile-'));
    const config = join(directory, 'postern.json');
    writeFileSync(config, JSON.stringify({ limits: { handshakeSeconds: HANDSHAKE_SECONDS } }));
    const bank = await Bank.start({ args: ['--config', config] }, { settings: LOG_EVERYTHING });
    await bank.server.query(
      `create schema fuzz; create table fuzz.t (n int); create table fuzz.secret (n int);
       insert into fuzz.secret values (4711); create schema open; create table open.secret (n int);
       grant usage on schema fuzz, open to ledger_app;
       grant all on all tables in schema fuzz, open to ledger_app;
       alter role ledger_app set search_path = open;`,
      'bank',
    );
    const who = await bank.identity('batch', 'select, insert, copy on fuzz.t; select on ledger.*, open.*');
    return new Arena(bank, who, directory);
  }

  async stop(): Promise<void> {
    await this.bank.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  login(
    over: { credential?: Credential; database?: string; application?: string } = {},
  ): Promise<WireClient> {
    return WireClient.login(this.door, over.credential ?? this.who, over.database ?? 'ledger-db', [
      ['application_name', over.application ?? 'hostile'],
    ]);
  }

  /** Fails unless a fresh client can work and Postern has not complained of itself. */
  async assertWell(): Promise<void> {
    const client = await this.login();
    assert.deepEqual(await client.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
    await client.end();
    assert.doesNotMatch(
      this.bank.postern.running.stderr,
      /a fault of the gateway|postern: session|postern: worker|could not be set up|ended with/,
    );
  }
}

/** What the client is told that is not let in. */
export async function refusal(promise: Promise<WireClient>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was let in');
}
