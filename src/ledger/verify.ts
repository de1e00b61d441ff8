import { isUtf8 } from 'node:buffer';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { RECORD_TYPES } from '../core/record.ts';
import { openCheckpoint } from './checkpoint.ts';
import { parseVerifierKeys } from './note.ts';
import { inclusionProof, rootFromTiles, verifyInclusion } from './proof.ts';
import { RecordIds } from './record-ids.ts';
import { bundleWidth, entriesPath, partialTiles, TileStore, tilePath } from './tiles.ts';
import { HASH_BYTES, prefixedLeafHash, TILE_WIDTH, Tree } from './tree.ts';

/**
 * Full re-derivation of a log from its entries: whatever was changed after it was signed is named.
 */

export interface VerifyOptions {
  /** Folder with `checkpoint` and `tile/`. */
  readonly dir: string;
  /** Verifier key of the log, or several, one a line, from a source the operator does not control. */
  readonly vkey: string;
  /** First leaf to look into (rounded down to a bundle): what is before enters with its hashes only. Default 0. */
  readonly from?: number;
  /** Rebuilds from the leaf hashes, without the entries: shows that tiles and checkpoint agree, not what the leaves are. */
  readonly hashesOnly?: boolean;
  /** Called with each entry that parses. */
  readonly onRecord?: (leaf: number, record: Readonly<Record<string, unknown>>, entry: Buffer) => void;
  /** Called after each bundle with the number of leaves looked at so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Finding {
  /** `error`: the log is not what was signed, or breaks its own rules. */
  readonly severity: 'error' | 'info';
  /** Relative to the folder. */
  readonly file: string;
  readonly leaf?: number;
  readonly message: string;
}

export interface VerifySummary {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** Leaves looked into. */
  readonly leaves: number;
  /** Principals with leaves among them, and the last `principalSeq` of each. */
  readonly principals: ReadonlyMap<string, number>;
}

const TYPES: ReadonlySet<unknown> = new Set(RECORD_TYPES);
const scratch = Buffer.alloc(1 + 65_535);

/**
 * Yields findings as they come up and returns the summary. Without an `error` among them, every entry is a
 * well-formed leaf in its place, the entries give exactly the signed root, every tile agrees with them, no record is there
 * twice, and no principal's leaf is missing between its first and its last.
 *
 * @throws PosternError where there is no checkpoint that the key opens
 */
export function* verifyLog(options: VerifyOptions): Generator<Finding, VerifySummary> {
  const run = new Run(options);
  for (let n = run.firstBundle; n * TILE_WIDTH < run.size; n++) {
    run.bundle(n);
    yield* run.takeFindings();
    options.onProgress?.(run.leaves, run.size - run.firstBundle * TILE_WIDTH);
  }
  run.finish();
  yield* run.takeFindings();
  return run.summary();
}

class Run {
  readonly size: number;
  readonly firstBundle: number;
  leaves = 0;
  readonly #origin: string;
  readonly #root: Buffer;
  readonly #store: TileStore;
  readonly #tree: Tree;
  readonly #hashesOnly: boolean;
  readonly #onRecord: VerifyOptions['onRecord'];
  readonly #sequences = new Map<string, number>();
  readonly #ids = new RecordIds();
  #findings: Finding[] = [];
  /** Whether the tiles as they are give the signed root; null while nobody asked. */
  #tilesHold: boolean | null = null;
  /** Principals seen since entries were lost: of the others, some `principalSeq` may be among the lost. */
  #afterLoss: Set<string> | null = null;

  constructor({ dir, vkey, from = 0, hashesOnly = false, onRecord }: VerifyOptions) {
    this.#hashesOnly = hashesOnly;
    this.#onRecord = onRecord;
    const file = join(dir, 'checkpoint');
    if (!fs.existsSync(file))
      throw new PosternError('POSTERN_NOT_FOUND', `There is no checkpoint in ${dir}.`);
    const { origin, size, root } = openCheckpoint(fs.readFileSync(file), parseVerifierKeys(vkey));
    this.#origin = origin;
    this.size = size;
    this.#root = root;
    this.#store = new TileStore(dir);
    this.firstBundle = Math.floor(Math.min(Math.max(from, 0), size) / TILE_WIDTH);
    this.#tree = Tree.restore(this.firstBundle * TILE_WIDTH, this.#store.readTile, [], (level, n, hashes) =>
      this.#compareTile(level, n, hashes),
    );
  }

  takeFindings(): Finding[] {
    const findings = this.#findings;
    this.#findings = [];
    return findings;
  }

  summary(): VerifySummary {
    const principals = new Map([...this.#sequences].map(([id, next]) => [id, next - 1]));
    return { origin: this.#origin, size: this.size, root: this.#root, leaves: this.leaves, principals };
  }

  bundle(n: number): void {
    const width = bundleWidth(n, this.size);
    const tile = this.#attempt(tilePath(0, n, width), () => this.#store.readTile(0, n, width));
    const bundle = this.#hashesOnly
      ? null
      : this.#attempt(entriesPath(n, width), () => this.#store.readEntries(n, width));
    for (let i = 0; i < width; i++) {
      const index = n * TILE_WIDTH + i;
      const entry = bundle?.[i];
      const stored = tile?.toString('latin1', i * HASH_BYTES, (i + 1) * HASH_BYTES);
      this.#tree.append(this.#leaf(index, entry, stored, n, width));
      this.leaves += 1;
    }
  }

  finish(): void {
    for (const { level, n, width } of partialTiles(this.size)) {
      if (level === 0) continue;
      const stored = this.#attempt(tilePath(level, n, width), () => this.#store.readTile(level, n, width));
      if (stored && !stored.equals(this.#tree.partial(level))) this.#tileDiffers(tilePath(level, n, width));
    }
    if (!this.#tree.root.equals(this.#root)) {
      this.#error('checkpoint', `the ${this.size} entries do not give the root that was signed`);
    }
  }

  #error(file: string, message: string, leaf?: number): void {
    this.#findings.push({ severity: 'error', file, message, ...(leaf !== undefined && { leaf }) });
  }

  #attempt<T>(file: string, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      this.#error(file, (error as Error).message.replace(`${file}: `, ''));
      return null;
    }
  }

  #compareTile(level: number, n: number, hashes: Buffer): void {
    // Level 0 was compared leaf by leaf.
    if (level === 0) return;
    const stored = this.#attempt(tilePath(level, n), () => this.#store.readTile(level, n, TILE_WIDTH));
    if (stored && !stored.equals(hashes)) this.#tileDiffers(tilePath(level, n));
  }

  #tileDiffers(file: string): void {
    this.#error(file, 'the hashes of this tile are not those of the entries below it');
  }

  /** Checks one leaf as far as it is there, and returns the hash to build the tree with. */
  #leaf(
    index: number,
    entry: Buffer | undefined,
    stored: string | undefined,
    n: number,
    width: number,
  ): string {
    if (!entry) {
      this.#afterLoss = new Set();
      return stored ?? '\0'.repeat(HASH_BYTES);
    }
    scratch.set(entry, 1);
    const hash = prefixedLeafHash(scratch.subarray(0, 1 + entry.length));
    const file = entriesPath(n, width);
    if (stored !== undefined && hash !== stored) {
      if (this.#isSigned(index, stored)) {
        this.#error(file, `the entry of leaf ${index} is not the one that was signed`, index);
        this.#afterLoss = new Set();
        return stored;
      }
      const message = `the hash of leaf ${index} is not that of its entry in ${file}`;
      this.#error(tilePath(0, n, width), message, index);
    }
    this.#entry(index, entry, file);
    return hash;
  }

  /** Whether the tiles lead from this leaf hash to the signed root. */
  #isSigned(index: number, hash: string): boolean {
    this.#tilesHold ??= this.#tilesGiveRoot();
    if (!this.#tilesHold) return false;
    const proof = inclusionProof(this.#store.readTile, index, this.size);
    return verifyInclusion(Buffer.from(hash, 'latin1'), index, this.size, proof, this.#root);
  }

  #tilesGiveRoot(): boolean {
    try {
      return rootFromTiles(this.#store.readTile, this.size).equals(this.#root);
    } catch {
      return false; // Missing tiles are reported where they are met.
    }
  }

  #entry(index: number, entry: Buffer, file: string): void {
    const record = parse(entry);
    if (record) {
      this.#record(index, record, file);
      this.#onRecord?.(index, record, entry);
    } else this.#error(file, `the entry of leaf ${index} is not a JSON object in UTF-8`, index);
  }

  #record(index: number, record: Readonly<Record<string, unknown>>, file: string): void {
    if (record.v !== 1) this.#error(file, `leaf ${index} has an unknown version`, index);
    if (record.leaf !== index) {
      this.#error(file, `leaf ${index} says that it is leaf ${JSON.stringify(record.leaf)}`, index);
    }
    if (typeof record.id !== 'string' || typeof record.time !== 'string') {
      this.#error(file, `leaf ${index} has no id or no time`, index);
    }
    const first = typeof record.id === 'string' ? this.#ids.add(record.id, index) : null;
    if (first !== null) {
      const message = `leaf ${index} has the id ${record.id} of leaf ${first}: the record is in the log twice`;
      this.#error(file, message, index);
    }
    if (!TYPES.has(record.type)) {
      const message = `leaf ${index} is of the unknown type ${JSON.stringify(record.type)}`;
      this.#findings.push({ severity: 'info', file, leaf: index, message });
    }
    const principal = (record.principal as { readonly id?: unknown } | undefined)?.id;
    if (typeof principal !== 'string') {
      if (record.principalSeq !== undefined) {
        this.#error(file, `leaf ${index} has a principalSeq and no principal`, index);
      }
      return;
    }
    this.#sequence(index, principal, record.principalSeq, file);
  }

  #sequence(index: number, principal: string, seq: unknown, file: string): void {
    const expected = this.#sequences.get(principal) ?? 1;
    const sure = this.#sequences.has(principal) || this.firstBundle === 0;
    const mayHaveGap = this.#afterLoss !== null && !this.#afterLoss.has(principal);
    this.#afterLoss?.add(principal);
    const right = typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= expected;
    if (!right || (sure && !mayHaveGap && seq !== expected)) {
      const due = `where ${expected} is due`;
      this.#error(
        file,
        `leaf ${index} has principalSeq ${JSON.stringify(seq)} of ${principal}, ${due}`,
        index,
      );
    }
    if (right) this.#sequences.set(principal, seq + 1);
  }
}

function parse(entry: Buffer): Record<string, unknown> | null {
  if (!isUtf8(entry)) return null;
  try {
    const record: unknown = JSON.parse(entry.toString());
    return typeof record === 'object' && record !== null && !Array.isArray(record)
      ? (record as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
