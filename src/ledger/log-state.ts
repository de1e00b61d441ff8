import type { Payload } from '../core/record.ts';
import { entryHead, shortenedEntry } from './entry.ts';
import type { Incoming } from './journal-merge.ts';
import type { Leaf, LeafRecord } from './leaf.ts';
import type { Commitment, PayloadStore, StoredKind } from './payloads.ts';
import type { Position, SavedState, StepChange } from './sequencer-db.ts';
import { encodeBundle, MAX_ENTRY_BYTES, type TileReader, type TileStore } from './tiles.ts';
import { HASH_BYTES, prefixedLeafHash, TILE_WIDTH, Tree } from './tree.ts';

/** Records of no principal share the payload keys of this name. */
const NO_PRINCIPAL = '-';
const NO_DAY = '0000-00-00';
const COMMA = 0x2c;

/** Entries are written side by side into chunks of this size, each behind the 0x00 of its leaf hash. */
const CHUNK_BYTES = 1024 * 1024;
/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const MOST_BYTES = 1 + 3 * MAX_ENTRY_BYTES;

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
  #written = 0;
  #savedSize: number;
  readonly #moved = new Map<string, Position>();
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
  add({ json, payloads, record, from }: Incoming): Leaf {
    const index = this.tree.size;
    const principalId = principalOf(record);
    const principalSeq = principalId === undefined ? undefined : this.#count(principalId);
    const owner = principalId ?? NO_PRINCIPAL;
    const commitments = payloads.length > 0 ? this.#commit(owner, record, payloads) : undefined;
    const head = entryHead(index, principalSeq, commitments);
    const leaf = this.#fits(head, json)
      ? this.#whole(index, record, principalSeq, commitments)
      : this.#shortened(index, record, json, principalSeq, owner, commitments);
    this.tree.append(prefixedLeafHash(this.#chunk.subarray(this.#used, this.#used + 1 + leaf.entry.length)));
    this.#used += 1 + leaf.entry.length;
    this.tail.push(leaf.entry);
    if (this.tail.length === TILE_WIDTH) {
      this.#store.writeEntries(this.tree.size / TILE_WIDTH - 1, TILE_WIDTH, encodeBundle(this.tail));
      this.tail = [];
    }
    if (from) {
      this.positions.set(from.file, from.next);
      this.#moved.set(from.file, from.next);
    }
    return leaf;
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
    };
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

  #commit(
    owner: string,
    record: Readonly<Record<string, unknown>>,
    payloads: readonly Payload[],
  ): Partial<Record<StoredKind, Commitment>> {
    const day = dayOf(record);
    const commitments: Partial<Record<StoredKind, Commitment>> = {};
    for (const { kind, data } of payloads) commitments[kind] = this.#payloads.put(owner, day, kind, data);
    return commitments;
  }

  /** Writes the entry into the chunk, behind its 0x00; false where it is too large. */
  #fits(head: string, json: string): boolean {
    if (head.length + json.length > MAX_ENTRY_BYTES) return false;
    this.#room();
    const at = this.#used + 1;
    const start = at + this.#chunk.write(head, at, 'utf8') - 1;
    const end = start + this.#chunk.write(json, start, 'utf8');
    // The comma that ends the head lay where the record's opening brace now is.
    this.#chunk[start] = COMMA;
    this.#written = end - at;
    return this.#written <= MAX_ENTRY_BYTES;
  }

  #room(): void {
    if (this.#chunk.length - this.#used < MOST_BYTES) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#used = 0;
    }
    this.#chunk[this.#used] = 0x00;
  }

  #whole(
    index: number,
    record: Record<string, unknown>,
    principalSeq: number | undefined,
    payloads: Partial<Record<StoredKind, Commitment>> | undefined,
  ): Leaf {
    record.v = 1;
    record.leaf = index;
    if (principalSeq !== undefined) record.principalSeq = principalSeq;
    if (payloads) record.payloads = payloads;
    const entry = this.#chunk.subarray(this.#used + 1, this.#used + 1 + this.#written);
    return { index, entry, record: record as unknown as LeafRecord };
  }

  #shortened(
    index: number,
    record: Readonly<Record<string, unknown>>,
    json: string,
    principalSeq: number | undefined,
    owner: string,
    payloads: Partial<Record<StoredKind, Commitment>> | undefined,
  ): Leaf {
    const whole = this.#payloads.put(owner, dayOf(record), 'record', Buffer.from(json));
    const head = entryHead(index, principalSeq, { ...payloads, record: whole });
    const entry = Buffer.from(shortenedEntry(head, record));
    this.#room();
    this.#chunk.set(entry, this.#used + 1);
    return { index, entry, record: JSON.parse(entry.toString()) as LeafRecord };
  }
}

function principalOf(record: Readonly<Record<string, unknown>>): string | undefined {
  const { principal } = record;
  if (typeof principal !== 'object' || principal === null) return undefined;
  const { id } = principal as { readonly id?: unknown };
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function dayOf(record: Readonly<Record<string, unknown>>): string {
  const day = typeof record.time === 'string' ? record.time.slice(0, 10) : '';
  return /^\d{4}-\d\d-\d\d$/.test(day) ? day : NO_DAY;
}
