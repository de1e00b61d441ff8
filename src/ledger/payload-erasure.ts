import type { DatabaseSync } from 'node:sqlite';
import type { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { asBuffer, BlockBuilder, commitmentsIn, indexIn, payloadsIn } from './payload-block.ts';
import { openPayloadDb } from './payload-db.ts';
import { PAYLOAD_LIMITS } from './payload-limits.ts';
import { PayloadPlaces } from './payload-places.ts';
import {
  COMMITMENT_BYTES,
  type DataKey,
  type KeyName,
  type StoredKind,
  seal,
  unseal,
  unwrapKey,
} from './payload-seal.ts';

/**
 * Destroys payloads for good. Of a principal's whole day, by destroying its keys (what they sealed is noise from that moment
 * on, wherever a copy of it lies) and then the ciphertexts; of single payloads, by overwriting the blocks they are in with ones
 * that lack them.
 *
 * The order: what is to be done is stored; in one transaction everything is destroyed, the record of it is written, and only
 * then the transaction is committed. After a crash in between, `unfinished` says what has to be done again.
 */

/** What is to be destroyed. */
export type Selection =
  | {
      readonly principalId: string;
      /** `YYYY-MM-DD` */
      readonly day: string;
      readonly kinds: readonly StoredKind[];
    }
  | {
      /** In hex, all of one principal and day. */
      readonly commitments: readonly string[];
    };

/** What a selection finds. */
export interface Found {
  readonly principalId: string;
  readonly day: string;
  readonly kinds: readonly StoredKind[];
  /** How many payloads that are not destroyed yet. Of a day, one that is stored twice counts twice. */
  readonly payloads: number;
  /** Null where it is everything of the day. */
  readonly commitments: readonly string[] | null;
}

/** Who wants what destroyed, and why. Kept beside what was destroyed. */
export interface ErasurePlan {
  /** Id of the `payload.erased` record. */
  readonly record: string;
  /** RFC 3339. */
  readonly time: string;
  readonly by: Actor;
  readonly reason: string;
  readonly cause: 'request' | 'retention';
  /** The record that was named, where it was one. */
  readonly of: string | null;
  readonly selection: Selection;
}

/** Keys of one principal, day and kind that are not destroyed. */
export interface KeptDay {
  readonly principalId: string;
  readonly day: string;
  readonly kind: StoredKind;
}

/** Blocks overwritten per transaction. */
const CHUNK = 64;

/** A block in which there is something to be destroyed. */
interface Hit extends KeyName {
  readonly n: number;
  readonly commitments: Buffer;
  /** Of those that are looked for, what it has. */
  readonly has: readonly string[];
  readonly sealed: Buffer;
  readonly key: number;
  readonly wrapped: Buffer;
}

export class PayloadErasure {
  readonly #db: DatabaseSync;
  readonly #dataKeys: DataKeys;
  readonly #places: PayloadPlaces;

  static open(file: string, keys: DataKeys): PayloadErasure {
    return new PayloadErasure(openPayloadDb(file), keys);
  }

  private constructor(db: DatabaseSync, keys: DataKeys) {
    this.#db = db;
    this.#dataKeys = keys;
    this.#places = new PayloadPlaces(db, PAYLOAD_LIMITS);
  }

  /** What a selection finds; null where it finds nothing that is not destroyed already. */
  find(selection: Selection): Found | null {
    return 'day' in selection ? this.#findDay(selection) : this.#findSome(selection.commitments);
  }

  /** Every principal, day and kind of which there is a key, oldest day first. */
  days(): KeptDay[] {
    const rows = this.#db
      .prepare('SELECT DISTINCT principal, day, kind FROM data_keys WHERE wrapped IS NOT NULL ORDER BY day')
      .all();
    return rows.map(({ principal, day, kind }) => ({
      principalId: String(principal),
      day: String(day),
      kind: String(kind) as StoredKind,
    }));
  }

  /**
   * Destroys what the plan selects. `record` writes the record of it, durably; where it fails nothing is destroyed. Nobody
   * can store payloads meanwhile, and no second call may be made before the first is done.
   *
   * @returns null where there was nothing to destroy; `record` was not called then
   */
  async destroy(plan: ErasurePlan, record: (found: Found) => Promise<void>): Promise<Found | null> {
    if (this.find(plan.selection) === null) return null;
    const insert = this.#db.prepare("INSERT INTO erasures (state, plan) VALUES ('begun', ?)");
    return this.#carryOut(Number(insert.run(JSON.stringify(plan)).lastInsertRowid), plan, record);
  }

  /** Plans that were begun and not carried out: the process ended in between, or the disk failed. */
  unfinished(): { readonly n: number; readonly plan: ErasurePlan }[] {
    const rows = this.#db.prepare("SELECT n, plan FROM erasures WHERE state = 'begun' ORDER BY n").all();
    return rows.map(({ n, plan }) => ({ n: Number(n), plan: JSON.parse(String(plan)) as ErasurePlan }));
  }

  /**
   * Carries out what was begun before. The plan comes with a record id and time of its own, since the record of the first
   * attempt may or may not be in the log.
   */
  async resume(n: number, plan: ErasurePlan, record: (found: Found) => Promise<void>): Promise<Found | null> {
    this.#db.prepare('UPDATE erasures SET plan = ? WHERE n = ?').run(JSON.stringify(plan), n);
    return this.#carryOut(n, plan, record);
  }

  /** Whether something was destroyed of which copies may still be there: ciphertexts, or the journals it came from. */
  get unclean(): boolean {
    return this.#db.prepare("SELECT n FROM erasures WHERE state = 'destroyed'").get() !== undefined;
  }

  /**
   * Overwrites the ciphertexts whose keys were destroyed, and empties the write-ahead file, in which the old pages still
   * are. False where somebody was reading: then it is to be called again.
   *
   * @param journals whether the journals that the texts came from are gone; else it is to be called again as well
   */
  async clean(journals: boolean): Promise<boolean> {
    const open = this.#db.prepare("SELECT n FROM erasures WHERE state = 'destroyed'").all();
    if (open.length === 0) return true;
    for (const { n } of open) {
      const keys = this.#db.prepare('SELECT n FROM data_keys WHERE erasure = ?').all(Number(n));
      for (const key of keys) await this.#overwrite(Number(key.n));
    }
    if (this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy !== 0 || !journals) return false;
    const done = this.#db.prepare("UPDATE erasures SET state = 'done' WHERE n = ?");
    for (const { n } of open) done.run(Number(n));
    return true;
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  async #carryOut(
    n: number,
    plan: ErasurePlan,
    record: (found: Found) => Promise<void>,
  ): Promise<Found | null> {
    let recorded = false;
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const found = this.find(plan.selection);
      if (found !== null) {
        this.#destroy(n, found);
        await record(found);
        recorded = true;
      }
      this.#db
        .prepare('UPDATE erasures SET state = ? WHERE n = ?')
        .run(found === null ? 'done' : 'destroyed', n);
      this.#db.exec('COMMIT');
      return found;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      // Recorded but not done: it stays begun, so that it is done.
      if (!recorded) this.#db.prepare("DELETE FROM erasures WHERE n = ? AND state = 'begun'").run(n);
      throw error;
    }
  }

  #destroy(n: number, { principalId, day, kinds, commitments }: Found): void {
    if (commitments === null) {
      for (const kind of kinds) {
        const which = 'WHERE principal = ? AND day = ? AND kind = ? AND wrapped IS NOT NULL';
        // The same length, so that it is written over the key itself; then the key is gone from the row as well.
        this.#db
          .prepare(`UPDATE data_keys SET wrapped = zeroblob(length(wrapped)) ${which}`)
          .run(principalId, day, kind);
        this.#db
          .prepare(`UPDATE data_keys SET wrapped = NULL, open = 0, erasure = ? ${which}`)
          .run(n, principalId, day, kind);
      }
      return;
    }
    const close = this.#db.prepare('UPDATE data_keys SET open = 0 WHERE n = ?');
    for (const hit of this.#hits(commitments)) {
      close.run(hit.key);
      this.#destroyIn(hit);
    }
    const erased = this.#db.prepare('INSERT INTO erased (commitment, erasure) VALUES (unhex(?), ?)');
    for (const commitment of commitments) erased.run(commitment, n);
  }

  /** Puts in the place of a block one without some of its payloads. */
  #destroyIn(hit: Hit): void {
    const kept = new BlockBuilder();
    const all = commitmentsIn(hit.commitments);
    let sealed: Buffer | null = null;
    if (hit.has.length < all.length) {
      const { key, payloads } = this.#open(hit, all.length);
      for (const [i, commitment] of all.entries()) {
        if (!hit.has.includes(commitment)) kept.add(commitment, payloads[i] as Buffer);
      }
      sealed = seal(key.object, kept.commitments, kept.plain);
      key.salting.fill(0);
    }
    // The same length, so that it is written over the ciphertext itself.
    this.#db.prepare('UPDATE blocks SET sealed = zeroblob(length(sealed)) WHERE n = ?').run(hit.n);
    this.#db
      .prepare('UPDATE blocks SET commitments = ?, sealed = ? WHERE n = ?')
      .run(kept.commitments, sealed, hit.n);
  }

  #open(hit: Hit, count: number): { readonly key: DataKey; readonly payloads: readonly Buffer[] } {
    try {
      const key = unwrapKey(this.#dataKeys, hit.key, hit, hit.wrapped);
      return { key, payloads: payloadsIn(unseal(key.object, hit.commitments, hit.sealed), count) };
    } catch {
      throw new PosternError(
        'POSTERN_INTERNAL',
        `The payload ${hit.has[0]} and its neighbours cannot be decrypted, so it cannot be destroyed alone.`,
        `Find out who altered payloads.db, or destroy all texts of ${hit.principalId} of ${hit.day}.`,
      );
    }
  }

  /** The blocks that have any of these payloads, as often as each is stored. */
  #hits(wanted: readonly string[]): Hit[] {
    this.#places.refresh();
    const numbers = new Set(
      wanted.flatMap((commitment) => [...this.#places.candidates(Buffer.from(commitment, 'hex'))]),
    );
    const select = this.#db.prepare(
      'SELECT b.commitments, b.sealed, b.key, k.wrapped, k.principal, k.day, k.kind FROM blocks b ' +
        'JOIN data_keys k ON k.n = b.key WHERE b.n = ? AND b.sealed IS NOT NULL AND k.wrapped IS NOT NULL',
    );
    return [...numbers]
      .sort((a, b) => a - b)
      .flatMap((n) => {
        const row = select.get(n);
        if (row === undefined) return [];
        const commitments = asBuffer(row.commitments);
        const has = wanted.filter((commitment) => indexIn(commitments, Buffer.from(commitment, 'hex')) >= 0);
        if (has.length === 0) return [];
        const { sealed, wrapped, key, principal, day, kind } = row;
        return {
          n,
          commitments,
          has,
          sealed: asBuffer(sealed),
          key: Number(key),
          wrapped: asBuffer(wrapped),
          principalId: String(principal),
          day: String(day),
          kind: String(kind) as StoredKind,
        };
      });
  }

  async #overwrite(key: number): Promise<void> {
    const next = this.#db.prepare(
      `SELECT max(n) AS last FROM (SELECT n FROM blocks WHERE key = ? AND n > ? ORDER BY n LIMIT ${CHUNK})`,
    );
    const drop = this.#db.prepare(
      'UPDATE blocks SET sealed = NULL WHERE key = ? AND n > ? AND n <= ? AND sealed IS NOT NULL',
    );
    for (let from = 0; ; ) {
      const last = next.get(key, from)?.last;
      if (typeof last !== 'number') return;
      drop.run(key, from, last);
      from = last;
      await new Promise((done) => setImmediate(done));
    }
  }

  #findDay(selection: Extract<Selection, { day: string }>): Found | null {
    const { principalId, day } = selection;
    const rows = this.#db
      .prepare(
        'SELECT k.kind, total(length(b.commitments)) AS bytes FROM data_keys k ' +
          'LEFT JOIN blocks b ON b.key = k.n AND b.sealed IS NOT NULL ' +
          'WHERE k.principal = ? AND k.day = ? AND k.wrapped IS NOT NULL ' +
          'AND k.kind IN (SELECT value FROM json_each(?)) GROUP BY k.kind ORDER BY k.kind',
      )
      .all(principalId, day, JSON.stringify(selection.kinds));
    if (rows.length === 0) return null;
    const kinds = rows.map(({ kind }) => String(kind) as StoredKind);
    const payloads = rows.reduce((sum, { bytes }) => sum + Number(bytes), 0) / COMMITMENT_BYTES;
    return { principalId, day, kinds, payloads, commitments: null };
  }

  #findSome(wanted: readonly string[]): Found | null {
    const hits = this.#hits(wanted);
    const [first] = hits;
    if (first === undefined) return null;
    const { principalId, day } = first;
    if (hits.some((hit) => hit.principalId !== principalId || hit.day !== day)) {
      throw new RangeError('The payloads are not of one principal and day.');
    }
    const commitments = [...new Set(hits.flatMap(({ has }) => has))];
    const kinds = [...new Set(hits.map(({ kind }) => kind))];
    return { principalId, day, kinds, payloads: commitments.length, commitments };
  }
}
