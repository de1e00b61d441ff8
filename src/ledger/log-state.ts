import { entryHead, shortenedEntry } from './entry.ts';
import type { Incoming } from './journal-merge.ts';
import type { Commitment, StoredKind } from './payload-seal.ts';
import type { PayloadStore } from './payloads.ts';
import type { Loss, Position, SavedState, StepChange } from './sequencer-db.ts';
import { encodeBundle, MAX_ENTRY_BYTES, type TileReader, type TileStore } from './tiles.ts';
import { HASH_BYTES, prefixedLeafHash, TILE_WIDTH, Tree } from './tree.ts';

/** Records of no principal share the payload keys of this name. */
const NO_PRINCIPAL = '-';
const NO_DAY = '0000-00-00';
const COMMA = 0x2c;

/** Entries are written side by side into chunks of this size, each behind the 0x00 of its leaf hash. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * The log in memory: its right edge, and what changed since the last {@link takeChange}. Full tiles and bundles are
 * staged in the store as they come about. After a failure it is thrown away and read again.
 */
export class LogState {
  readonly tree: Tree;
  readonly positions: Map<string, Position>;
  /** Entries of the unfinished bundle. */
  tail: Buffer[];
  readonly #sequences: Map<string, number>;
  readonly #store: TileStore;
  readonly #payloads: PayloadStore;
  #chunk: Buffer = Buffer.alloc(0);
  #used = 0;
  #savedSize: number;
  readonly #moved = new Map<string, Position>();
  #gone: string[] = [];
  #losses: Loss[] = [];
  readonly #counted = new Map<string, number>();

  constructor(saved: SavedState, store: TileStore, payloads: PayloadStore) {
    this.#store = store;
    this.#payloads = payloads;
    this.positions = saved.positions;
    this.#sequences = saved.sequences;
    this.tail = saved.tail;
    this.#savedSize = saved.size;
    const hashes = saved.tail.map((entry) => prefixedLeafHash(Buffer.concat([Buffer.of(0), entry])));
    this.tree = Tree.restore(saved.size, store.readTile, hashes, (level, n, tile) =>
      store.writeTile(level, n, tile),
    );
  }

  get size(): number {
    return this.tree.size;
  }

  /** First leaf of the unfinished bundle. */
  get tailFrom(): number {
    return this.tree.size - this.tail.length;
  }

  /** Tiles of this tree: full ones from the store, the unfinished ones from memory. */
  readonly readTile: TileReader = (level, n, width) => {
    const last = Math.floor(this.tree.size / TILE_WIDTH ** (level + 1));
    return n === last
      ? this.tree.partial(level).subarray(0, width * HASH_BYTES)
      : this.#store.readTile(level, n, width);
  };

  /** Makes a leaf of a record. */
  add(incoming: Incoming): void {
    const { principalId, from } = incoming;
    const principalSeq = principalId === undefined ? undefined : this.#count(principalId);
    const commitments = incoming.payloads.length > 0 ? this.#commit(incoming) : undefined;
    const head = entryHead(this.tree.size, principalSeq, commitments);
    const bytes =
      head.length + incoming.bytes.length - 1 <= MAX_ENTRY_BYTES
        ? this.#writeWhole(head, incoming.bytes)
        : this.#writeShortened(incoming, principalSeq, commitments);
    this.tree.append(prefixedLeafHash(this.#chunk.subarray(this.#used, this.#used + 1 + bytes)));
    this.tail.push(this.#chunk.subarray(this.#used + 1, this.#used + 1 + bytes));
    this.#used += 1 + bytes;
    if (this.tail.length === TILE_WIDTH) {
      this.#store.writeEntries(this.tree.size / TILE_WIDTH - 1, TILE_WIDTH, encodeBundle(this.tail));
      this.tail = [];
    }
    if (from) this.move(from.file, from.next);
  }

  /** Goes on in a journal from there. */
  move(file: string, to: Position): void {
    this.positions.set(file, to);
    this.#moved.set(file, to);
  }

  /** Goes on without what is missing of a journal. */
  lose(loss: Loss, size: number | null): void {
    this.#losses.push(loss);
    if (size !== null) {
      this.move(loss.file, { offset: size, skip: 0 });
      return;
    }
    this.positions.delete(loss.file);
    this.#moved.delete(loss.file);
    this.#gone.push(loss.file);
  }

  /** Puts the numbers of principals right, as the log has them. How many were wrong. */
  correct(sequences: ReadonlyMap<string, number>): number {
    const wrong = [...new Set([...this.#sequences.keys(), ...sequences.keys()])].filter(
      (id) => (this.#sequences.get(id) ?? 1) !== (sequences.get(id) ?? 1),
    );
    for (const id of wrong) {
      const next = sequences.get(id) ?? 1;
      this.#sequences.set(id, next);
      this.#counted.set(id, next);
    }
    return wrong.length;
  }

  /** What changed since the last call. */
  takeChange(): StepChange {
    const known = Math.max(0, this.#savedSize - this.tailFrom);
    const change = {
      size: this.size,
      root: this.tree.root,
      positions: new Map(this.#moved),
      sequences: new Map(this.#counted),
      tail: this.tail.slice(known),
      tailFrom: this.tailFrom + known,
      gone: this.#gone,
      losses: this.#losses,
    };
    this.#gone = [];
    this.#losses = [];
    this.#moved.clear();
    this.#counted.clear();
    this.#savedSize = this.size;
    return change;
  }

  #count(principalId: string): number {
    const seq = this.#sequences.get(principalId) ?? 1;
    this.#sequences.set(principalId, seq + 1);
    this.#counted.set(principalId, seq + 1);
    return seq;
  }

  #commit({ principalId, time, payloads }: Incoming): Partial<Record<StoredKind, Commitment>> {
    const day = dayOf(time);
    const commitments: Partial<Record<StoredKind, Commitment>> = {};
    for (const { kind, data } of payloads) {
      commitments[kind] = this.#payloads.put(principalId ?? NO_PRINCIPAL, day, kind, data);
    }
    return commitments;
  }

  /** Writes the entry into the chunk, behind its 0x00, and answers its length. */
  #writeWhole(head: string, record: Buffer): number {
    this.#room();
    const at = this.#used + 1;
    // The head ends in a comma, in the place of the record's opening brace.
    this.#chunk.write(head, at, 'latin1');
    this.#chunk.set(record, at + head.length - 1);
    this.#chunk[at + head.length - 1] = COMMA;
    return head.length + record.length - 1;
  }

  #room(): void {
    if (this.#chunk.length - this.#used < 1 + MAX_ENTRY_BYTES) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#used = 0;
    }
    this.#chunk[this.#used] = 0x00;
  }

  #writeShortened(
    { principalId, time, bytes }: Incoming,
    principalSeq: number | undefined,
    payloads: Partial<Record<StoredKind, Commitment>> | undefined,
  ): number {
    const whole = this.#payloads.put(principalId ?? NO_PRINCIPAL, dayOf(time), 'record', bytes);
    const head = entryHead(this.tree.size, principalSeq, { ...payloads, record: whole });
    const record = JSON.parse(bytes.toString()) as Record<string, unknown>;
    const entry = Buffer.from(shortenedEntry(head, record));
    this.#room();
    this.#chunk.set(entry, this.#used + 1);
    return entry.length;
  }
}

function dayOf(time: string): string {
  const day = time.slice(0, 10);
  return /^\d{4}-\d\d-\d\d$/.test(day) ? day : NO_DAY;
}
