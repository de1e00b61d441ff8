import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkName, checkReason } from '../identity/input.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Sink } from '../store/entities.ts';
import { found } from '../store/queries.ts';
import { findSink, listSinks } from '../store/sink-queries.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { checkPassword, checkSecret, type TargetInput, targetOf } from './sink-input.ts';

/** Each reads the log for itself. */
const MOST_SINKS = 16;

export interface NewSink {
  readonly name: string;
  readonly target: TargetInput;
  readonly secret?: string | null | undefined;
  /** The first leaf that is delivered. */
  readonly from: number;
}

/** A sink that is to be delivered to, with its secret. */
export interface OpenSink {
  readonly sink: Sink;
  readonly secret: string | null;
}

/** Where the events of the log go continuously. How they get there is the matter of `src/activity/sinks`. */
export class Sinks {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #box: SecretBox;
  #changed: () => Promise<void> = async () => undefined;

  constructor(db: StateDb, changes: ChangeLog, box: SecretBox) {
    this.#db = db;
    this.#changes = changes;
    this.#box = box;
  }

  /** Calls `listener` after each change. */
  onChange(listener: () => Promise<void>): void {
    this.#changed = listener;
  }

  /** @throws PosternError POSTERN_CONFLICT when the name is or was in use; POSTERN_INVALID */
  async create(actor: Actor, input: NewSink): Promise<Sink> {
    const { secret = null } = input;
    return this.#told(
      this.#changes.run(actor, async (db) => {
        const name = checkName(input.name, 'sink');
        const target = targetOf(input.target);
        checkSecret(target, secret);
        checkPassword(target, secret !== null);
        if (await findSink(db, name)) {
          throw new PosternError('POSTERN_CONFLICT', `The name ${name} is or was in use.`);
        }
        if ((await listSinks(db)).filter(({ status }) => status !== 'retired').length >= MOST_SINKS) {
          throw new PosternError('POSTERN_CONFLICT', `There are at most ${MOST_SINKS} sinks.`);
        }
        const after: Sink = {
          id: uuidv7(),
          name,
          target,
          secret: secret !== null,
          from: input.from,
          status: 'active',
          statusReason: null,
          createdAt: rfc3339(nowMicros()),
        };
        return {
          changes: [{ type: 'sink.created', entity: 'sink', before: null, after }],
          secrets: (tx) => this.#keep(tx, after.id, secret),
          result: after,
        };
      }),
    );
  }

  /**
   * Gives a sink another secret, or another way to the same kind of place.
   *
   * @param secret undefined: as before; null: none any more
   */
  update(
    actor: Actor,
    ref: string,
    input: { readonly target?: TargetInput | undefined; readonly secret?: string | null | undefined },
    reason: string,
  ): Promise<Sink> {
    const why = checkReason(reason);
    return this.#told(
      this.#changes.run(actor, async (db) => {
        const before = await usable(db, ref);
        const target = input.target === undefined ? before.target : targetOf(input.target);
        if (target.kind !== before.target.kind) {
          throw new PosternError(
            'POSTERN_CONFLICT',
            `${before.name} is a sink of the kind ${before.target.kind} and stays one.`,
            'Add another sink, and retire this one.',
          );
        }
        const { secret } = input;
        if (secret !== undefined) checkSecret(target, secret);
        // A secret goes to nobody but whom it was given for.
        else if (before.secret && addressOf(target) !== addressOf(before.target)) {
          throw new PosternError('POSTERN_INVALID', 'Another address needs its secret said anew.');
        }
        const after: Sink = {
          ...before,
          target,
          secret: secret === undefined ? before.secret : secret !== null,
        };
        checkPassword(target, after.secret);
        return {
          changes: [{ type: 'sink.updated', entity: 'sink', before, after, reason: why }],
          // Not before the record: the secret of before is worth something until then.
          beside: (tx) => (secret === undefined ? Promise.resolve() : this.#keep(tx, after.id, secret)),
          result: after,
        };
      }),
    );
  }

  /** Nothing is delivered until it is resumed; then everything is, from where it stopped. */
  pause(actor: Actor, ref: string, reason: string): Promise<Sink> {
    return this.#become(actor, ref, 'sink.paused', 'paused', reason);
  }

  resume(actor: Actor, ref: string, reason: string): Promise<Sink> {
    return this.#become(actor, ref, 'sink.resumed', 'active', reason);
  }

  /** For good. Its secret is destroyed. */
  retire(actor: Actor, ref: string, reason: string): Promise<Sink> {
    return this.#become(actor, ref, 'sink.retired', 'retired', reason);
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<Sink> {
    return found(await findSink(this.#db, ref), 'sink', ref);
  }

  list(): Promise<Sink[]> {
    return listSinks(this.#db);
  }

  /** A sink with its secret. @throws PosternError POSTERN_NOT_FOUND, POSTERN_INTERNAL where the secret cannot be opened */
  async open(ref: string): Promise<OpenSink> {
    const sink = await this.get(ref);
    return { sink, secret: await this.#secretOf(sink) };
  }

  async #become(
    actor: Actor,
    ref: string,
    type: Extract<Change, { entity: 'sink' }>['type'],
    status: Sink['status'],
    reason: string,
  ): Promise<Sink> {
    const why = checkReason(reason);
    return this.#told(
      this.#changes.run(actor, async (db) => {
        const before = await usable(db, ref);
        if (before.status === status)
          throw new PosternError('POSTERN_CONFLICT', `${before.name} is ${status} already.`);
        const after: Sink = {
          ...before,
          status,
          statusReason: why,
          secret: before.secret && status !== 'retired',
        };
        return {
          changes: [{ type, entity: 'sink', before, after, reason: why }],
          beside: (tx) => (status === 'retired' ? this.#keep(tx, before.id, null) : Promise.resolve()),
          result: after,
        };
      }),
    );
  }

  async #told(change: Promise<Sink>): Promise<Sink> {
    const sink = await change;
    await this.#changed();
    return sink;
  }

  async #secretOf({ id, secret }: Sink): Promise<string | null> {
    if (!secret) return null;
    const row = await this.#db
      .selectFrom('sink_secrets')
      .select('sealed')
      .where('sink_id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw new PosternError('POSTERN_INTERNAL', 'The secret of the sink is missing.');
    return this.#box.open(row.sealed, `sink:${id}`).toString('utf8');
  }

  async #keep(tx: StateDb, id: string, secret: string | null): Promise<void> {
    if (secret === null) {
      await tx.deleteFrom('sink_secrets').where('sink_id', '=', id).execute();
      return;
    }
    const sealed = this.#box.seal(Buffer.from(secret), `sink:${id}`);
    await tx
      .insertInto('sink_secrets')
      .values({ sink_id: id, sealed })
      .onConflict((c) => c.column('sink_id').doUpdateSet({ sealed }))
      .execute();
  }
}

function addressOf(target: Sink['target']): string {
  if (target.kind === 'file') return '';
  if (target.kind === 'kafka') return JSON.stringify([target.brokers, target.tls, target.sasl]);
  return target.kind === 'syslog'
    ? `${target.host}:${target.port}`
    : new URL(target.url).origin + target.header;
}

async function usable(db: StateDb, ref: string): Promise<Sink> {
  const sink = found(await findSink(db, ref), 'sink', ref);
  if (sink.status !== 'retired') return sink;
  throw new PosternError('POSTERN_CONFLICT', `The sink ${sink.name} was retired.`);
}
