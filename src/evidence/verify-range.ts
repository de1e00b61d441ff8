import { hash } from 'node:crypto';
import type { Ref } from '../core/record.ts';
import type { RecordIdsState } from '../ledger/record-ids.ts';
import { entryEnds, LENGTH_BYTES, MAX_BUNDLE_BYTES, TileFiles } from '../ledger/tiles.ts';
import { HASH_BYTES, prefixedLeafHash, subtreeRoot, TILE_WIDTH } from '../ledger/tree.ts';
import type { SummaryState } from './assess/command-summary.ts';
import { EarlierLeaves } from './earlier-leaves.ts';
import { Check } from './findings.ts';
import type { Manifest, TextCounts } from './format.ts';
import type { PackageFiles } from './package-files.ts';
import { mayChange, Populations } from './populations.ts';
import type { LeafRange } from './range-plan.ts';
import type { TallyState } from './report-tally.ts';
import { pathOf } from './tile-files.ts';
import { tileReader } from './verify-bytes.ts';
import { type LastUse, type LeavesChecks, LeavesVerifier, type Sequence } from './verify-leaves.ts';

/** One range of leaves of a package of a whole log, to be verified beside others. */
export interface RangeJob {
  readonly manifest: Manifest;
  /** Leaves of the whole log. */
  readonly size: number;
  readonly range: LeafRange;
}

/** An intent that the range leaves open. */
export interface OpenIntent {
  readonly id: string;
  readonly leaf: number;
  readonly owner: Ref | null;
}

/** What a range of leaves came to in which nothing is wrong by itself. What it took for granted of others is in it too. */
export interface RangeResult {
  /** SHA-256 of the files of each bundle and of its tile of leaf hashes, in turns. */
  readonly sums: Uint8Array<ArrayBuffer>;
  /** Roots over the full tiles. */
  readonly roots: Uint8Array<ArrayBuffer>;
  /** Leaf hashes of a last bundle that is not full. */
  readonly rest: Uint8Array<ArrayBuffer>;
  /** How many things each check looked at. */
  readonly looked: Readonly<Record<keyof LeavesChecks, number>>;
  readonly leaves: number;
  readonly sequences: ReadonlyMap<string, Sequence>;
  readonly lastUse: ReadonlyMap<string, LastUse>;
  readonly tally: TallyState;
  readonly summary: SummaryState;
  readonly texts: TextCounts;
  readonly ids: RecordIdsState;
  /** Leaves that change populations: those that it took to stand before it, and its own. */
  readonly before: readonly number[];
  readonly own: readonly number[];
  /** Intents of before that it answers, with their leaves, and its own that it does not answer. */
  readonly answered: ReadonlyMap<string, number>;
  readonly open: readonly OpenIntent[];
}

/** Checks of leaves, to be told of. */
export function leavesChecks(): LeavesChecks {
  const checks = {
    leaves: new Check('leaves'),
    complete: new Check('complete'),
    activity: new Check('activity'),
    texts: new Check('texts'),
    authority: new Check('authority'),
  };
  for (const check of Object.values(checks)) check.begin();
  return checks;
}

export function holds(checks: LeavesChecks): boolean {
  return Object.values(checks).every((check) => check.ok);
}

/**
 * Verifies a range of leaves: each entry is read, hashed and looked into in one go. Null where anything at all is not as it
 * must be; what, is for the verification of all leaves in their order to say.
 */
export function verifyRange(
  files: PackageFiles,
  { manifest, size, range }: RangeJob,
  onLeaves: (count: number) => void,
): RangeResult | null {
  try {
    return new RangeVerifier(files, manifest, size, range).run(onLeaves);
  } catch {
    return null; // Damage is told with its place where leaves are read in their order.
  }
}

class RangeVerifier {
  readonly #files: PackageFiles;
  readonly #size: number;
  readonly #range: LeafRange;
  readonly #checks = leavesChecks();
  readonly #populations = new Populations();
  readonly #earlier: EarlierLeaves;
  readonly #own: number[] = [];
  readonly #leaves: LeavesVerifier;
  readonly #sums: Uint8Array<ArrayBuffer>;
  readonly #roots: Uint8Array<ArrayBuffer>;
  #rest = new Uint8Array(0);

  constructor(files: PackageFiles, manifest: Manifest, size: number, range: LeafRange) {
    this.#files = files;
    this.#size = size;
    this.#range = range;
    const count = range.to - range.from;
    this.#sums = new Uint8Array(2 * HASH_BYTES * Math.ceil(count / TILE_WIDTH));
    this.#roots = new Uint8Array(HASH_BYTES * Math.floor(count / TILE_WIDTH));
    this.#earlier = new EarlierLeaves(new TileFiles(tileReader(files)), range.from, this.#populations);
    this.#leaves = new LeavesVerifier(files, manifest, this.#populations, this.#checks, {
      leaves: count,
      rows: range.rows,
      csv: range.csv,
      earlier: (id) => this.#earlier.intent(id),
      onRecord: (leaf, record) => {
        if (mayChange(record)) this.#own.push(leaf);
      },
    });
  }

  run(onLeaves: (count: number) => void): RangeResult | null {
    this.#earlier.fold();
    const { from, to } = this.#range;
    for (let at = from; at < to; at += TILE_WIDTH) {
      const width = Math.min(TILE_WIDTH, to - at);
      if (!this.#bundle(at / TILE_WIDTH, width) || !holds(this.#checks)) return null;
      onLeaves(width);
    }
    this.#leaves.endPart();
    return holds(this.#checks) ? this.#result() : null;
  }

  /** Whether the entries of a bundle have the hashes in their tile. */
  #bundle(n: number, width: number): boolean {
    const bundle = this.#read(pathOf({ level: -1, n, width }), MAX_BUNDLE_BYTES);
    const tile = this.#read(pathOf({ level: 0, n, width }), TILE_WIDTH * HASH_BYTES);
    const nth = n - this.#range.from / TILE_WIDTH;
    this.#sums.set(hash('sha256', bundle, 'buffer'), 2 * nth * HASH_BYTES);
    this.#sums.set(hash('sha256', tile, 'buffer'), (2 * nth + 1) * HASH_BYTES);
    const ends = entryEnds(bundle, width);
    if (ends === null || tile.length !== width * HASH_BYTES) return false;
    const hashes = tile.toString('latin1');
    for (let i = 0, start = 0; i < width; i++) {
      const end = ends[i] as number;
      // The length in front of an entry has been read: its second byte makes room for the prefix of what is hashed.
      bundle[start + 1] = 0;
      const hash = prefixedLeafHash(bundle.subarray(start + 1, end));
      if (hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES) !== hash) return false;
      const leaf = n * TILE_WIDTH + i;
      const from = start + LENGTH_BYTES;
      if (!this.#leaves.takeShort(leaf, bundle.toString('latin1', from, end)))
        this.#leaves.take(leaf, bundle.subarray(from, end), this.#size);
      start = end;
    }
    if (width === TILE_WIDTH) this.#roots.set(subtreeRoot(tile, 0, TILE_WIDTH), nth * HASH_BYTES);
    else this.#rest = new Uint8Array(tile);
    return true;
  }

  /** @throws Error where there is no such file, or a larger one than any of its kind */
  #read(path: string, most: number): Buffer {
    const file = `tlog/${path}`;
    const size = this.#files.size(file);
    if (size === null || size > most) throw new Error(`${file} is not what it must be`);
    return this.#files.read(file);
  }

  #result(): RangeResult {
    const { leaves, sequences, lastUse, texts } = this.#leaves;
    const looked = Object.fromEntries(
      Object.entries(this.#checks).map(([name, check]) => [name, (check as Check).state().count]),
    ) as RangeResult['looked'];
    const open = this.#leaves.open.map(({ record: { id }, leaf, owner }) => ({ id, leaf, owner }));
    return {
      sums: this.#sums,
      roots: this.#roots,
      rest: this.#rest,
      looked,
      leaves,
      sequences,
      lastUse,
      tally: this.#leaves.tally.state(),
      summary: this.#leaves.summary.state(),
      texts,
      ids: this.#leaves.ids.state(),
      before: this.#earlier.taken,
      own: this.#own,
      answered: this.#earlier.answered,
      open,
    };
  }
}
