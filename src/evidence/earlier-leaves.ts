import type { Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { LENGTH_BYTES, type TileFiles } from '../ledger/tiles.ts';
import { TILE_WIDTH } from '../ledger/tree.ts';
import type { Pending } from './commands.ts';
import { mayChange, type Populations } from './populations.ts';
import { RecordReader } from './record-reader.ts';

/** Most entries have this; those that have it and are no commands are found when all leaves are read. */
const COMMAND = Buffer.from('"type":"command.');
/** Intents and outcomes have it in different places, each with and without payloads. */
const PLACES = 8;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Bundles that are looked through for open intents, all together, before it is given up. */
const MOST_BUNDLES = 50_000;

/** What a range of leaves needs of the leaves before it. */
export class EarlierLeaves {
  /** Leaves of the records that may have changed a population, in order. */
  readonly taken: number[] = [];
  /** Intents of before that were asked for: each is answered once. */
  readonly answered = new Map<string, number>();
  readonly #store: TileFiles;
  readonly #to: number;
  readonly #populations: Populations;
  /** By principal: who answered for it from which leaf on. */
  readonly #owners = new Map<string, { readonly leaf: number; readonly owner: Ref | null }[]>();
  readonly #records = new RecordReader();
  #looked = 0;

  /** @param to the first leaf of the range, which is the first of a bundle */
  constructor(store: TileFiles, to: number, populations: Populations) {
    this.#store = store;
    this.#to = to;
    this.#populations = populations;
  }

  /** Folds the leaves before into the populations. @throws SyntaxError and others where an entry is no record */
  fold(): void {
    const places = new LikelyPlaces();
    for (let n = 0; n * TILE_WIDTH < this.#to; n++) {
      const { bundle, ends } = this.#store.readBundle(n);
      for (let i = 0, start = 0; i < ends.length; i++) {
        const from = start + LENGTH_BYTES;
        const end = ends[i] as number;
        start = end;
        if (places.have(bundle, from, end)) continue;
        const entry = bundle.subarray(from, end);
        const at = entry.indexOf(COMMAND);
        if (at < 0) this.#take(n * TILE_WIDTH + i, entry);
        else places.add(at);
      }
    }
  }

  #take(leaf: number, entry: Buffer): void {
    const record = JSON.parse(entry.toString('utf8')) as LeafRecord;
    if (!mayChange(record)) return;
    this.taken.push(leaf);
    this.#populations.take(leaf, record);
    const { entity, id } = (record.change ?? {}) as { readonly entity?: unknown; readonly id?: unknown };
    if (entity !== 'principal' || typeof id !== 'string') return;
    const known = this.#owners.get(id) ?? [];
    known.push({ leaf, owner: this.#populations.ownerOf(id) });
    this.#owners.set(id, known);
  }

  /**
   * The intent of before with this id, the first time that it is asked for. Whether nothing before the range answered it is
   * found when ranges are joined.
   *
   * @throws Error where too much would have to be looked through
   */
  intent(id: string): Pending | undefined {
    if (this.answered.has(id) || !UUID.test(id)) return undefined;
    const text = Buffer.from(`"id":"${id}"`);
    // Most commands that are open at a time began shortly before.
    for (let n = this.#to / TILE_WIDTH - 1; n >= 0; n--) {
      this.#looked += 1;
      if (this.#looked > MOST_BUNDLES) throw new Error('Too many commands were open.');
      for (const [i, entry] of this.#store.readEntries(n).entries()) {
        if (!entry.includes(text)) continue;
        const { record, shared } = this.#records.read(entry);
        if (record.id !== id || record.type !== 'command.intent') continue;
        const leaf = n * TILE_WIDTH + i;
        const owner = record.principal === undefined ? null : this.#ownerAt(record.principal.id, leaf);
        this.answered.set(id, leaf);
        return { record, shared, leaf, owner, outcome: null };
      }
    }
    return undefined;
  }

  #ownerAt(principal: string, leaf: number): Ref | null {
    return this.#owners.get(principal)?.findLast((from) => from.leaf <= leaf)?.owner ?? null;
  }
}

/** Where in an entry it was found lately that it is a command's: looking there takes less than looking for it. */
class LikelyPlaces {
  readonly #places = new Int32Array(PLACES);
  #next = 0;

  /** Whether the entry between two places of a bundle has it where another had it. */
  have(bundle: Buffer, from: number, end: number): boolean {
    for (const place of this.#places) if (isCommand(bundle, from + place, end)) return true;
    return false;
  }

  add(place: number): void {
    this.#places[this.#next] = place;
    this.#next = (this.#next + 1) % PLACES;
  }
}

function isCommand(bundle: Buffer, at: number, end: number): boolean {
  if (at + COMMAND.length > end) return false;
  for (let i = 0; i < COMMAND.length; i++) if (bundle[at + i] !== COMMAND[i]) return false;
  return true;
}
