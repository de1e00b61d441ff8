import { type Checkpoint, openCheckpoint } from '../ledger/checkpoint.ts';
import { decodeBase64, type NoteVerifier, parseVerifierKeys } from '../ledger/note.ts';
import {
  cachingReader,
  consistencyProof,
  parseTlogProof,
  verifyConsistency,
  verifyInclusion,
} from '../ledger/proof.ts';
import type { TileFiles } from '../ledger/tiles.ts';
import { HASH_BYTES, prefixedLeafHash, TILE_WIDTH, Tree } from '../ledger/tree.ts';
import type { Check } from './findings.ts';
import { FILES, type Manifest } from './format.ts';
import { type PackageFiles, readText, type VerifyHost } from './package-files.ts';
import { bundlesOf, pathOf, type TilePlace, tilesOf } from './tile-files.ts';

/** Opens the checkpoint of a package and compares it with what the manifest says. Null where it does not hold. */
export async function checkCheckpoint(
  { files, settled }: VerifyHost,
  manifest: Manifest,
  keys: readonly NoteVerifier[],
  check: Check,
): Promise<Checkpoint | null> {
  check.looked();
  try {
    const note = readText(files, FILES.checkpoint, 65_536) ?? '';
    const checkpoint = await settled(() => openCheckpoint(note, keys));
    const { origin, size, root } = manifest.log;
    if (
      checkpoint.origin !== origin ||
      checkpoint.size !== size ||
      checkpoint.root.toString('base64') !== root
    ) {
      check.problem(
        FILES.checkpoint,
        `The checkpoint (${checkpoint.size} leaves) is not the one that the manifest states (${size} leaves).`,
      );
    }
    check.says(`${checkpoint.origin}, ${checkpoint.size} leaves`);
    return checkpoint;
  } catch (error) {
    check.problem(FILES.checkpoint, (error as Error).message);
    return null;
  }
}

/**
 * Builds the tree again, from the entries where the package has them all and from the hashes at the bottom otherwise, and
 * compares every tile and the root.
 */
export async function checkTree(
  store: TileFiles,
  { size, root }: Pick<Checkpoint, 'size' | 'root'>,
  withEntries: boolean,
  check: Check,
  onBundle: (leaves: number) => void,
  pause: () => Promise<void>,
): Promise<void> {
  const rebuilt = new Map<string, Buffer>();
  const tree = new Tree((level, n, hashes) => rebuilt.set(`${level}/${n}`, hashes));
  const compare = (level: number, n: number, width: number, hashes: Buffer): void => {
    const given = read(() => store.readTile(level, n, width), check, { level, n, width });
    if (given === null || given.equals(hashes)) return;
    const at = firstDifference(given, hashes);
    const file = `tlog/${pathOf({ level, n, width })}`;
    if (level > 0) check.problem(file, `Hash ${at} of this tile does not follow from the tiles below it.`);
    else {
      const leaf = n * TILE_WIDTH + at;
      const bundle = `tlog/${pathOf({ level: -1, n, width })}`;
      const record = withEntries ? recordId(store.readEntries(n, width)[at]) : undefined;
      const where = { leaf, ...(record !== undefined && { record }) };
      check.problem(bundle, `The entry of leaf ${leaf} is not the one whose hash is in ${file}.`, where);
    }
  };
  const bottom = withEntries ? bundlesOf(size) : bottomOf(size);
  for (const { n, width } of bottom) {
    const hashes = withEntries ? bundleHashes(store, n, width, check) : tileHashes(store, n, width, check);
    if (hashes === null) return;
    for (const leaf of hashes) tree.append(leaf);
    for (const [key, tile] of rebuilt) {
      const [level, index] = key.split('/').map(Number) as [number, number];
      compare(level, index, TILE_WIDTH, tile);
    }
    rebuilt.clear();
    check.looked(width);
    onBundle(width);
    if (n % 16 === 15) await pause();
  }
  for (const { level, n, width } of tilesOf(size)) {
    if (width < TILE_WIDTH) compare(level, n, width, tree.partial(level));
  }
  if (!tree.root.equals(root)) {
    check.problem(FILES.checkpoint, 'The root of the checkpoint is not that of the leaves in the package.');
  }
  check.says(withEntries ? 'rebuilt from every entry' : 'rebuilt from the leaf hashes');
}

/** Id of the record in an entry, as far as it can be read. */
function recordId(entry: Buffer | undefined): string | undefined {
  return /"id":"([0-9a-f-]{36})"/.exec(entry?.toString('latin1') ?? '')?.[1];
}

function* bottomOf(size: number): Generator<{ n: number; width: number }> {
  for (const { level, n, width } of tilesOf(size)) if (level === 0) yield { n, width };
}

function bundleHashes(store: TileFiles, n: number, width: number, check: Check): string[] | null {
  const entries = read(() => store.readEntries(n, width), check, { level: -1, n, width });
  return entries?.map((entry) => prefixedLeafHash(Buffer.concat([Buffer.of(0), entry]))) ?? null;
}

function tileHashes(store: TileFiles, n: number, width: number, check: Check): string[] | null {
  const tile = read(() => store.readTile(0, n, width), check, { level: 0, n, width });
  if (tile === null) return null;
  return Array.from({ length: width }, (_, i) =>
    tile.toString('latin1', i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

function read<T>(reader: () => T, check: Check, place: TilePlace): T | null {
  try {
    return reader();
  } catch (error) {
    check.problem(`tlog/${pathOf(place)}`, (error as Error).message);
    return null;
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  let at = 0;
  while (a.subarray(at, at + HASH_BYTES).equals(b.subarray(at, at + HASH_BYTES))) at += HASH_BYTES;
  return at / HASH_BYTES;
}

/** Checks the proof files against the checkpoint and the leaf hashes at the bottom. */
export function checkProofs(
  files: PackageFiles,
  store: TileFiles,
  checkpoint: Checkpoint,
  check: Check,
): void {
  const note = readText(files, FILES.checkpoint, 65_536);
  for (const name of namesIn(files, 'proofs')) {
    const file = `proofs/${name}`;
    check.looked();
    try {
      const { index, proof, checkpoint: inside } = parseTlogProof(readText(files, file, 1 << 20) ?? '');
      if (inside !== note)
        check.problem(file, 'The proof is not under the checkpoint of this package.', { leaf: index });
      if (name !== `leaf-${index}.tlog-proof`)
        check.problem(file, `The proof is of leaf ${index}.`, { leaf: index });
      const n = Math.floor(index / TILE_WIDTH);
      const width = Math.min(TILE_WIDTH, checkpoint.size - n * TILE_WIDTH);
      const at = (index % TILE_WIDTH) * HASH_BYTES;
      const leaf = store.readTile(0, n, Math.max(width, 1)).subarray(at, at + HASH_BYTES);
      if (!verifyInclusion(leaf, index, checkpoint.size, proof, checkpoint.root)) {
        check.problem(file, `The proof does not lead from leaf ${index} to the root.`, { leaf: index });
      }
    } catch (error) {
      check.problem(file, (error as Error).message);
    }
  }
}

/** Checks that the log continues the earlier checkpoints in the package and the one that the caller holds. */
export async function checkConsistency(
  { files, settled }: VerifyHost,
  store: TileFiles,
  checkpoint: Checkpoint,
  keys: readonly NoteVerifier[],
  held: string | undefined,
  check: Check,
): Promise<void> {
  const read = cachingReader(store.readTile);
  const continues = async (
    note: string,
    file: string,
    hashes: readonly Buffer[] | null,
    known = keys,
  ): Promise<void> => {
    check.looked();
    try {
      const old = await settled(() => openCheckpoint(note, known));
      const proof = hashes ?? consistencyProof(read, old.size, checkpoint.size);
      if (!verifyConsistency(old.size, old.root, checkpoint.size, checkpoint.root, proof)) {
        check.problem(
          file,
          `The log does not continue the checkpoint of ${old.size} leaves: it was rewritten.`,
        );
      }
    } catch (error) {
      check.problem(file, (error as Error).message);
    }
  };
  if (held !== undefined) {
    await continues(held, FILES.checkpoint, null);
    check.says('the log continues the checkpoint that you hold');
  }
  for (const name of namesIn(files, 'consistency')) {
    const file = `consistency/${name}`;
    const match = /^(\d+)-(\d+)$/.exec(name);
    if (match === null) continue;
    const lines = (readText(files, file, 1 << 20) ?? '').split('\n');
    const end = lines.indexOf('');
    const hashes = lines.slice(1, Math.max(end, 1)).map((line) => decodeBase64(line) ?? Buffer.alloc(0));
    const old = readText(files, `consistency/${match[1]}.checkpoint`, 65_536);
    const note = lines.slice(end + 1).join('\n');
    if (
      lines[0] !== `old ${match[1]}` ||
      old === null ||
      note !== readText(files, FILES.checkpoint, 65_536)
    ) {
      check.problem(file, 'The proof does not fit the checkpoints of this package.');
    } else await continues(old, file, hashes, [...keys, ...packageKeys(files)]);
  }
}

/** The keys in the package: an earlier checkpoint may be of the key before, which the caller need not hold. */
function packageKeys(files: PackageFiles): readonly NoteVerifier[] {
  try {
    return parseVerifierKeys(readText(files, FILES.vkey, 4096) ?? '');
  } catch {
    return []; // The check of the manifest says so.
  }
}

function namesIn(files: PackageFiles, folder: string): string[] {
  const within = files.list().files.filter((path) => path.startsWith(`${folder}/`));
  return within.map((path) => path.slice(folder.length + 1)).sort();
}
