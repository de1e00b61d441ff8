import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import type { Ref } from '../core/record.ts';
import { asBuffer, indexIn, payloadsIn } from './payload-block.ts';
import { openPayloadDb } from './payload-db.ts';
import { PAYLOAD_LIMITS, type PayloadLimits } from './payload-limits.ts';
import { PayloadPlaces } from './payload-places.ts';
import {
  COMMITMENT_BYTES,
  type Commitment,
  type DataKey,
  type KeyName,
  type StoredKind,
  saltOf,
  unseal,
  unwrapKey,
} from './payload-seal.ts';
import { PayloadWriter } from './payload-writer.ts';
import { Remembered } from './remembered.ts';

/**
 * Statement texts and bind values, apart from the log and encrypted (DESIGN section 3, "Payloads apart from leaves").
 *
 * Each principal has a random data key per day and kind of payload, wrapped by a data key of the installation. The salt of a commitment
 * comes from that key, so equal texts of one principal on one day have one commitment, and nobody without the key can test
 * a guessed text against it. Once something of a key was erased it seals nothing new: what comes later gets
 * another key, so an erased commitment never comes back.
 *
 * With one key a text is stored once, however long ago that was.
 */

/** A payload with all that is needed to check its commitment. */
export interface StoredPayload extends KeyName {
  readonly data: Buffer;
  /** 16 bytes. */
  readonly salt: Buffer;
}

/** Who destroyed a payload on purpose, when and why. */
export interface Erased {
  /** Id of the `payload.erased` record. */
  readonly record: string;
  /** RFC 3339. */
  readonly time: string;
  readonly by: Ref;
  readonly reason: string;
}

const REMEMBERED_KEYS = 2048;
/** Blocks that are kept open: who asks for one payload often asks for its neighbours next. */
const REMEMBERED_BLOCKS = 64;
/** A larger one is not. */
const REMEMBERED_BYTES = 32 * 1024;

/** A block as it is stored, and opened where it could be. */
interface Opened {
  readonly commitments: Buffer;
  readonly key: number;
  /** Null where the key was destroyed. */
  readonly payloads: readonly Buffer[] | null;
}

/** The payloads of one data directory. One writer; any number of readers. */
export class PayloadStore {
  readonly #db: DatabaseSync;
  readonly #dataKeys: DataKeys;
  readonly #places: PayloadPlaces;
  readonly #writer: PayloadWriter;
  readonly #select: StatementSync;
  readonly #erased: StatementSync;
  readonly #keyOf: StatementSync;
  readonly #version: StatementSync;
  /** Keys that open what is got, by their number; null where one was destroyed. */
  readonly #opened = new Remembered<DataKey | null>(REMEMBERED_KEYS);
  readonly #blocks = new Remembered<Opened>(REMEMBERED_BLOCKS);
  #seen: unknown;

  private constructor(db: DatabaseSync, keys: DataKeys, limits: PayloadLimits) {
    this.#db = db;
    this.#dataKeys = keys;
    this.#places = new PayloadPlaces(db, limits);
    this.#writer = new PayloadWriter(db, keys, this.#places, limits);
    this.#select = db.prepare('SELECT key, commitments, sealed FROM blocks WHERE n = ?');
    this.#erased = db.prepare('SELECT erasure FROM erased WHERE commitment = ?');
    this.#keyOf = db.prepare('SELECT principal, day, kind, wrapped FROM data_keys WHERE n = ?');
    this.#version = db.prepare('PRAGMA data_version');
  }

  /** @param file made with mode 0600 where missing */
  static open(file: string, keys: DataKeys, limits: PayloadLimits = PAYLOAD_LIMITS): PayloadStore {
    const db = openPayloadDb(file);
    try {
      return new PayloadStore(db, keys, limits);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * Stores a payload, or finds that it is there. Outside `begin`/`commit` it is durable on return.
   *
   * @param principalId `-` for a record of no principal
   * @param day `YYYY-MM-DD`
   */
  put(principalId: string, day: string, kind: StoredKind, data: Uint8Array): Commitment {
    if (this.#db.isTransaction) return this.#writer.put(principalId, day, kind, data);
    this.begin();
    try {
      const put = this.#writer.put(principalId, day, kind, data);
      this.commit();
      return put;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /**
   * The payload of a commitment (hex); `erased` where it was destroyed ({@link erasure}); null where none was stored.
   *
   * @throws PosternError `POSTERN_INTERNAL` where what is stored was altered, or the master key is another
   */
  get(commitment: string): StoredPayload | 'erased' | null {
    this.#forgetIfChanged();
    const raw = Buffer.from(commitment, 'hex');
    if (raw.length !== COMMITMENT_BYTES) return null;
    const block = this.#blockOf(commitment, raw);
    if (block === null) return this.#erased.get(raw) === undefined ? null : 'erased';
    const data = block.payloads?.[indexIn(block.commitments, raw)];
    const key = this.#openingKey(block.key);
    if (data === undefined || key === null) return 'erased';
    const { principalId, day, kind } = key;
    return { data, salt: saltOf(key, data), kind, principalId, day };
  }

  /** How an erased payload came to be destroyed; null for any other. */
  erasure(commitment: string): Erased | null {
    this.#forgetIfChanged();
    const raw = Buffer.from(commitment, 'hex');
    if (raw.length !== COMMITMENT_BYTES) return null;
    const erasure = this.#erased.get(raw)?.erasure ?? this.#erasureOfKey(raw);
    const plan = this.#db.prepare('SELECT plan FROM erasures WHERE n = ?').get(Number(erasure ?? 0))?.plan;
    if (plan === undefined) return null;
    const { record, time, by, reason } = JSON.parse(String(plan)) as Erased;
    return { record, time, by: { id: by.id, name: by.name }, reason };
  }

  /** The keys by which the keys of days are wrapped; they may change while the store is open. */
  get dataKeys(): DataKeys {
    return this.#dataKeys;
  }

  /** Begins a batch: what is put becomes durable together, with {@link commit}. */
  begin(): void {
    this.#db.exec('BEGIN IMMEDIATE');
    this.#forgetIfChanged();
    this.#writer.begin();
  }

  commit(): void {
    this.#writer.finish();
    this.#places.makeRuns();
    this.#db.exec('COMMIT');
  }

  /** Ends a batch, if one is open, without keeping it. */
  rollback(): void {
    this.#forget();
    this.#writer.reset();
    this.#places.reset();
    this.#seen = undefined;
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  close(): void {
    this.#forget();
    this.#db.close();
  }

  /** Another connection may have added blocks, or destroyed what is remembered here: not to be used and not to be kept. */
  #forgetIfChanged(): void {
    const version = this.#version.get()?.data_version;
    if (version === this.#seen) return;
    this.#forget();
    if (this.#places.refresh()) this.#writer.reset();
    this.#seen = version;
  }

  #forget(): void {
    for (const key of this.#opened.values()) key?.salting.fill(0);
    for (const memory of [this.#opened, this.#blocks]) memory.clear();
    this.#writer.forget();
  }

  #blockOf(commitment: string, raw: Buffer): Opened | null {
    for (const n of this.#places.candidates(raw)) {
      const known = this.#blocks.get(n);
      if (known !== undefined && indexIn(known.commitments, raw) >= 0) return known;
      const row = this.#select.get(n);
      if (row === undefined) continue;
      const commitments = asBuffer(row.commitments);
      if (indexIn(commitments, raw) < 0) continue;
      this.#places.foundIn(n, commitments);
      const block = this.#opening(commitment, Number(row.key), commitments, row.sealed);
      const bytes = block.payloads?.reduce((sum, { length }) => sum + length, 0) ?? 0;
      if (bytes <= REMEMBERED_BYTES) this.#blocks.set(n, block);
      return block;
    }
    return null;
  }

  #opening(commitment: string, n: number, commitments: Buffer, sealed: unknown): Opened {
    try {
      const key = sealed === null ? null : this.#openingKey(n);
      if (key === null) return { commitments, key: n, payloads: null };
      const plain = unseal(key.object, commitments, asBuffer(sealed));
      return { commitments, key: n, payloads: payloadsIn(plain, commitments.length / COMMITMENT_BYTES) };
    } catch {
      throw new PosternError(
        'POSTERN_INTERNAL',
        `The payload ${commitment} cannot be decrypted.`,
        'Either payloads.db was altered, or the master key is not the one it was written with.',
      );
    }
  }

  #erasureOfKey(raw: Buffer): unknown {
    const of = this.#db.prepare(
      'SELECT b.commitments, k.erasure FROM blocks b JOIN data_keys k ON k.n = b.key WHERE b.n = ?',
    );
    for (const n of this.#places.candidates(raw)) {
      const row = of.get(n);
      if (row !== undefined && indexIn(asBuffer(row.commitments), raw) >= 0) return row.erasure;
    }
    return null;
  }

  #openingKey(n: number): DataKey | null {
    const known = this.#opened.get(n);
    if (known !== undefined) return known;
    const row = this.#keyOf.get(n);
    if (row === undefined) throw new RangeError(`There is no key ${n}.`);
    const name = {
      principalId: String(row.principal),
      day: String(row.day),
      kind: String(row.kind) as StoredKind,
    };
    const key = row.wrapped === null ? null : unwrapKey(this.#dataKeys, n, name, asBuffer(row.wrapped));
    this.#opened.set(n, key);
    return key;
  }
}
