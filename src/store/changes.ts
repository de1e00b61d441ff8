/**
 * How state changes, and the only way it does. Every change to who may do what is a change record in the log;
 * the state tables are what comes out when those records are applied in order.
 *
 * One change at a time: decide (read, validate) -> put secrets into their side tables -> open a transaction and
 * apply the rows, so that the database's constraints have spoken -> append and flush the records -> commit ->
 * tell the gateway workers. If the records cannot be written the transaction is rolled back and the change is
 * refused. If the commit fails after the flush, the change stands, since it is recorded: what it takes away the workers
 * are told at once, the rest when state can be written. If the process dies in between, `recover` applies the records
 * at start-up.
 */
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, ChangeRecord, RecordSink, RecordType, Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { applyChange } from './apply-change.ts';
import type { Entities, EntityName, Grant, Principal } from './entities.ts';
import type { StateDb, Store } from './store.ts';

/** One entity before and after. A change without an effect (`before` equals `after`) only leaves its record. */
export type Change = {
  [N in EntityName]: {
    readonly type: RecordType;
    readonly entity: N;
    readonly before: Entities[N] | null;
    readonly after: Entities[N];
    readonly principal?: Ref;
    readonly reason?: string | undefined;
  };
}[EntityName];

/** What a decision comes to. */
export interface Plan<T> {
  readonly changes: readonly Change[];
  readonly result: T;
  /** Secrets that the changes need. Durable before the record is written: a record without its secret would be a name without use. */
  readonly secrets?: (db: StateDb) => Promise<void>;
  /** Rows that are no part of the log (an API token's hash), in the transaction of the change. */
  readonly beside?: (db: StateDb) => Promise<void>;
}

/** A sink that can also say when what was flushed would survive a power cut (`fdatasync`). */
export type ChangeSink = RecordSink & { sync?(): Promise<void> };

export interface ChangeLogOptions {
  readonly store: Store;
  readonly sink: ChangeSink;
  /** What ends along with what a decision ends, whoever decided it. */
  readonly behind?: (db: StateDb, changes: readonly Change[]) => Promise<readonly Change[]>;
  /** Puts what the records tell people of on its way, in the transaction that applies them. It does not throw. */
  readonly tell?: (tx: StateDb, records: readonly ChangeRecord[]) => Promise<void>;
  /** Tells the workers; resolves when they know. Called in the order of the changes, one call at a time. */
  readonly deliver: (records: readonly ChangeRecord[]) => Promise<void>;
  /**
   * Tells the workers of what was taken away by records that are written while state does not take them. It must not
   * need the database.
   */
  readonly withdraw: (records: readonly ChangeRecord[]) => Promise<void>;
}

export class ChangeLog {
  readonly #options: ChangeLogOptions;
  /** Records that are written but not yet applied because the database refused the commit. */
  #owed: ChangeRecord[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ChangeLogOptions) {
    this.#options = options;
  }

  /**
   * Runs a decision and carries out what it comes to. `decide` sees the state that no other change can alter
   * meanwhile, and refuses by throwing.
   *
   * @throws PosternError POSTERN_AUDIT_UNAVAILABLE when the record or the state cannot be written: state is unchanged, or
   *   (the message says so) the change stands in the record and is carried out as soon as state can be written again
   */
  run<T>(actor: Actor, decide: (db: StateDb) => Promise<Plan<T>>): Promise<T> {
    return this.exclusive(() => this.#run(actor, decide)).catch((error: unknown) => {
      throw refusalOf(error);
    });
  }

  /** Records that took something away and are written, but that the state tables do not show yet. */
  get withdrawn(): readonly ChangeRecord[] {
    return this.#owed.filter(takesAway);
  }

  /** Carries out what is recorded and not yet in state, if there is such. @throws PosternError as `run` */
  async settle(): Promise<void> {
    if (this.#owed.length === 0) return;
    await this.exclusive(() => this.#settle()).catch((error: unknown) => {
      throw refusalOf(error);
    });
  }

  /** Runs `work` while no change is under way. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #run<T>(actor: Actor, decide: (db: StateDb) => Promise<Plan<T>>): Promise<T> {
    const { store, sink, deliver, withdraw } = this.#options;
    await this.#settle();
    const plan = await decide(store.db);
    const behind = (await this.#options.behind?.(store.db, plan.changes)) ?? [];
    if (plan.secrets) await store.db.transaction().execute(plan.secrets);
    const time = rfc3339(nowMicros());
    const records = [...plan.changes, ...behind].map((change) => recordOf(actor, time, change));
    let written = false;
    try {
      await store.db.transaction().execute(async (tx) => {
        for (const record of records) await applyChange(tx, record);
        await plan.beside?.(tx);
        await this.#options.tell?.(tx, records);
        for (const record of records) sink.append(JSON.stringify(record));
        if (records.length > 0) sink.flush();
        written = true;
        // The tables survive a power cut, so the records must as well: a state without its record is a lie.
        await sink.sync?.();
      });
    } catch (error) {
      if (written) {
        this.#owed.push(...records);
        await withdraw(records.filter(takesAway));
        throw recordedOnly(error);
      }
      if (plan.secrets) await dropOrphans(store.db);
      throw error;
    }
    await deliver(records);
    return plan.result;
  }

  /** Applies what is owed before anything new is decided on a state that lags behind the log. */
  async #settle(): Promise<void> {
    if (this.#owed.length === 0) return;
    const owed = this.#owed;
    await recover(this.#options.store, owed, this.#options.tell);
    this.#owed = [];
    await this.#options.deliver(owed);
  }
}

/**
 * SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN: the disk, not the change.
 *
 * @see https://www.sqlite.org/rescode.html#primary_result_code_list
 */
const DISK_FAULTS: ReadonlySet<number> = new Set([8, 10, 13, 14]);

function refusalOf(error: unknown): unknown {
  const { errcode } = error as { readonly errcode?: number };
  if (errcode === undefined || !DISK_FAULTS.has(errcode & 0xff)) return error;
  return new PosternError(
    'POSTERN_AUDIT_UNAVAILABLE',
    `State cannot be written (${(error as Error).message}).`,
    'Look at the disk of the data directory; changes are taken again by themselves.',
  );
}

function recordedOnly(error: unknown): PosternError {
  return new PosternError(
    'POSTERN_AUDIT_UNAVAILABLE',
    `The change is recorded, but state cannot be written yet (${(error as Error).message}).`,
    'What it takes away is taken away already. The rest is carried out as soon as the disk of the data directory takes it, or at the next start.',
  );
}

/** Whether a record ends something that gateway workers let through, or on which such a thing stands. */
function takesAway({ change: { entity, before, after } }: ChangeRecord): boolean {
  switch (entity) {
    case 'principal':
      return (
        (after as Principal).status !== 'active' || endsSooner(before as Principal | null, after as Principal)
      );
    case 'grant':
      return (after as Grant).status !== 'active' || isNarrowed(before as Grant | null, after as Grant);
    case 'binding':
    case 'credential':
    case 'delegation':
    case 'person':
    case 'resource':
    case 'trust':
      return (after as { readonly status: string }).status !== 'active';
    default:
      return false;
  }
}

/** Scopes of a grant change in one direction only. */
function isNarrowed(before: Grant | null, after: Grant): boolean {
  return before !== null && before.scope !== after.scope;
}

function endsSooner(before: Principal | null, after: Principal): boolean {
  if (before === null || after.expiresAt === null) return false;
  return before.expiresAt === null || Date.parse(after.expiresAt) < Date.parse(before.expiresAt);
}

function recordOf(actor: Actor, time: string, change: Change): ChangeRecord {
  const { type, principal, entity, before, after, reason } = change;
  return {
    id: uuidv7(),
    time,
    type,
    actor,
    ...(principal && { principal: { id: principal.id, name: principal.name } }),
    change: { entity, id: after.id, before, after },
    ...(reason !== undefined && { reason }),
  };
}

/**
 * Applies change records in order and in one transaction: with all of them to empty tables this is the fold
 * of the log; with the last ones to tables that lag behind, it catches up.
 *
 * @param tell puts on its way what these tell people of
 */
export async function recover(
  store: Store,
  records: Iterable<ChangeRecord>,
  tell?: ChangeLogOptions['tell'],
): Promise<number> {
  let count = 0;
  await store.db.transaction().execute(async (tx) => {
    for (const record of records) {
      await applyChange(tx, record);
      await tell?.(tx, [record]);
      count += 1;
    }
  });
  return count;
}

/** Removes secrets whose change never came to be. Only when no change is under way. */
export async function dropOrphans(db: StateDb): Promise<void> {
  await db
    .deleteFrom('vault_pending')
    .where('resource_id', 'not in', (e) =>
      e.selectFrom('resources').select('id').where('status', '=', 'active'),
    )
    .execute();
  for (const [table, column] of [
    ['vault_secrets', 'upstream_secret'],
    ['vault_admin_secrets', 'admin_secret'],
  ] as const) {
    await db
      .deleteFrom(table)
      .where('id', 'not in', (e) => e.selectFrom('resources').select(column).where(column, 'is not', null))
      .where('id', 'not in', (e) => e.selectFrom('vault_pending').select('id'))
      .execute();
  }
  await db
    .deleteFrom('identity_provider_secrets')
    .where('provider_id', 'not in', (e) => e.selectFrom('identity_providers').select('id'))
    .execute();
  await db
    .deleteFrom('channel_secrets')
    .where('channel_id', 'not in', (e) =>
      e.selectFrom('channels').select('id').where('status', '=', 'active'),
    )
    .execute();
  await db
    .deleteFrom('link_secrets')
    .where('link_id', 'not in', (e) => e.selectFrom('links').select('id').where('status', '=', 'active'))
    .execute();
  await db
    .deleteFrom('sink_secrets')
    .where('sink_id', 'not in', (e) => e.selectFrom('sinks').select('id'))
    .execute();
  await db
    .deleteFrom('credential_verifiers')
    .where('credential_id', 'not in', (e) => e.selectFrom('credentials').select('id'))
    .where('credential_id', 'not in', (e) => e.selectFrom('bindings').select('id'))
    .execute();
  await db
    .deleteFrom('join_tokens')
    .where('binding_id', 'not in', (e) =>
      e.selectFrom('bindings').select('id').where('status', '=', 'requested'),
    )
    .execute();
}
