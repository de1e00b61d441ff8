import { hash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { DataKeys } from '../core/data-keys.ts';
import { asBuffer, BlockBuilder, indexIn } from './payload-block.ts';
import type { PayloadLimits } from './payload-limits.ts';
import type { PayloadPlaces } from './payload-places.ts';
import {
  type Commitment,
  commitmentOf,
  type DataKey,
  type KeyName,
  makeWrappedKey,
  type StoredKind,
  saltOf,
  seal,
  unwrapKey,
} from './payload-seal.ts';
import { Remembered } from './remembered.ts';
import { SeenPayloads } from './seen-payloads.ts';

/** So long a text is remembered by itself, a longer one by its hash. */
const SHORT_BYTES = 96;
const REMEMBERED_KEYS = 2048;
/** Blocks that are filled at the same time. */
const FILLING = 256;

/** A block that is being filled. */
interface Filling {
  readonly n: number;
  readonly key: DataKey;
  readonly builder: BlockBuilder;
}

/**
 * The writing half of the payload store, within the transactions of its owner. With one key each text is stored once: what is not
 * known by its text is held against everything that was ever stored with the key. That it is new is known from memory,
 * nearly always; that it is not new is read in the block that has it.
 */
export class PayloadWriter {
  readonly #dataKeys: DataKeys;
  readonly #places: PayloadPlaces;
  readonly #insert: StatementSync;
  readonly #commitments: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #openKey: StatementSync;
  /** By kind: bind values, which hardly ever come again, must not push out the texts, which do. */
  readonly #known: Readonly<Record<StoredKind, Remembered<Commitment>>>;
  /** By principal, day and kind. */
  readonly #keys = new Remembered<DataKey>(REMEMBERED_KEYS);
  /** Blocks of the batch, by the number of their key. */
  readonly #filling = new Map<number, Filling>();
  readonly #seen: SeenPayloads;

  constructor(db: DatabaseSync, keys: DataKeys, places: PayloadPlaces, limits: PayloadLimits) {
    this.#dataKeys = keys;
    this.#places = places;
    this.#seen = new SeenPayloads(db, limits.learntBlocks);
    this.#known = {
      statement: new Remembered(limits.texts),
      parameters: new Remembered(limits.texts),
      record: new Remembered(limits.texts),
    };
    this.#insert = db.prepare('INSERT INTO blocks (n, key, commitments, sealed) VALUES (?, ?, ?, ?)');
    this.#commitments = db.prepare('SELECT commitments FROM blocks WHERE n = ?');
    this.#insertKey = db.prepare(
      'INSERT INTO data_keys (principal, day, kind, wrapped, open) VALUES (?, ?, ?, ?, 1)',
    );
    this.#openKey = db.prepare(
      'SELECT n, wrapped FROM data_keys WHERE principal = ? AND day = ? AND kind = ? AND open = 1',
    );
  }

  /** A batch begins. */
  begin(): void {
    this.#seen.begin();
  }

  /** Within a batch: nobody else can write, and what others changed was taken in when it began. */
  put(principalId: string, day: string, kind: StoredKind, data: Uint8Array): Commitment {
    const text = data.length <= SHORT_BYTES ? latin1(data) : hash('sha256', data, 'binary');
    const remembered = `${principalId}\n${day}\n${data.length}\n${text}`;
    const memory = this.#known[kind];
    const known = memory.get(remembered);
    if (known) return known;
    const key = this.#sealingKey(principalId, day, kind);
    const commitment = commitmentOf(saltOf(key, data), data);
    this.#store(key, commitment, data);
    const result = { commitment, bytes: data.length };
    memory.set(remembered, result);
    return result;
  }

  /** Everything of the batch is to be in the database. */
  finish(): void {
    for (const filling of this.#filling.values()) this.#write(filling);
    this.#filling.clear();
  }

  /** Forgets keys and texts. */
  forget(): void {
    for (const { salting } of this.#keys.values()) salting.fill(0);
    for (const memory of [this.#keys, ...Object.values(this.#known)]) memory.clear();
  }

  /** Forgets the batch too, and what is stored: it was rolled back, or others wrote. */
  reset(): void {
    this.forget();
    this.#filling.clear();
    this.#seen.clear();
  }

  #store(key: DataKey, commitment: string, data: Uint8Array): void {
    const first = Number.parseInt(commitment.slice(0, 8), 16);
    const second = Number.parseInt(commitment.slice(8, 16), 16);
    if (this.#seen.mayHave(key, first, second) && this.#isStored(key, Buffer.from(commitment, 'hex'))) return;
    this.#seen.add(key, first, second);
    this.#places.add(first, this.#fill(key, commitment, data));
  }

  #isStored(key: DataKey, commitment: Buffer): boolean {
    const filling = this.#filling.get(key.n);
    for (const n of this.#places.candidates(commitment)) {
      const commitments =
        n === filling?.n ? filling.builder.commitments : this.#commitments.get(n)?.commitments;
      if (commitments === undefined || indexIn(asBuffer(commitments), commitment) < 0) continue;
      this.#places.foundIn(n, asBuffer(commitments));
      return true;
    }
    return false;
  }

  /** The number of the block that it is put into. */
  #fill(key: DataKey, commitment: string, data: Uint8Array): number {
    let filling = this.#filling.get(key.n);
    if (filling?.builder.fits(data.length) === false) {
      this.#write(filling);
      filling = undefined;
    }
    if (filling === undefined) {
      if (this.#filling.size >= FILLING) this.finish();
      filling = { n: this.#places.nextBlock(), key, builder: new BlockBuilder() };
      this.#filling.set(key.n, filling);
    }
    filling.builder.add(commitment, data);
    return filling.n;
  }

  #write({ n, key, builder }: Filling): void {
    const { commitments } = builder;
    this.#insert.run(n, key.n, commitments, seal(key.object, commitments, builder.plain));
  }

  #sealingKey(principalId: string, day: string, kind: StoredKind): DataKey {
    const name = `${principalId}\n${day}\n${kind}`;
    const known = this.#keys.get(name);
    if (known) return known;
    const owner = { principalId, day, kind };
    const row = this.#openKey.get(principalId, day, kind);
    const key = row
      ? unwrapKey(this.#dataKeys, Number(row.n), owner, asBuffer(row.wrapped))
      : this.#makeKey(owner);
    this.#keys.set(name, key);
    return key;
  }

  #makeKey(name: KeyName): DataKey {
    const { principalId, day, kind } = name;
    const wrapped = makeWrappedKey(this.#dataKeys, name);
    const n = Number(this.#insertKey.run(principalId, day, kind, wrapped).lastInsertRowid);
    const key = unwrapKey(this.#dataKeys, n, name, wrapped);
    this.#seen.keyMade(key);
    return key;
  }
}

function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}
